"""Whether the process is alive and ready, and why."""

from __future__ import annotations

from automation_consumer import __version__
from automation_consumer.clock import Clock
from automation_consumer.pipeline.flow import Flow
from automation_consumer.pipeline.intake import Intake
from automation_consumer.web.health import Health

STALE_S = 30.0  # a round of the polling thread takes a tenth of a second


def health(intake: Intake, flow: Flow, config_version: str, clock: Clock) -> Health:
    """Live: the polling thread goes round. Ready: it has partitions as well, and is not stopping."""
    age_s = clock.monotonic() - intake.last_round_at
    live = age_s < STALE_S and not flow.failed.done()
    return Health(
        live,
        live and intake.joined and not flow.stopping,
        {
            "version": __version__,
            "config_version": config_version,
            "seconds_since_poll": round(age_s, 1),
            "messages_in_flight": intake.in_flight,
            "incidents_in_hand": flow.in_hand,
            "paused": intake.paused,
            "stopping": flow.stopping,
        },
    )
