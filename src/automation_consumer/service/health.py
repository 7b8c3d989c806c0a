"""Whether the process is alive and ready, and why."""

from __future__ import annotations

from dataclasses import dataclass

from automation_consumer import __version__
from automation_consumer.clock import Clock
from automation_consumer.service.build import Service
from automation_consumer.service.reload import CurrentRules, Reloader
from automation_consumer.service.watchdog import Watchdog
from automation_consumer.store.journal import Journal
from automation_consumer.web.health import Health


@dataclass(frozen=True)
class HealthReport:
    """Answers from what the parts last said of themselves. Called from the web server's threads; never blocks."""

    service: Service
    journal: Journal
    rules: CurrentRules
    watchdog: Watchdog
    clock: Clock
    reloader: Reloader | None = None

    def __call__(self) -> Health:
        """Live: nothing stands still. Ready: it reads and handles messages as well, and is not stopping."""
        flow, intake = self.service.flow, self.service.intake
        live = self.watchdog.live and not flow.failed.done()
        error = self.reloader.error if self.reloader is not None else None
        return Health(
            live,
            live and intake.joined and not intake.held and not flow.stopping,
            {
                "version": __version__,
                "config_version": self.rules.current.config.version,
                "config_error": error,
                "seconds_since_poll": round(self.clock.monotonic() - intake.last_round_at, 1),
                "standing_still": self.watchdog.standing,
                "journal_available": self.journal.available,
                "messages_in_flight": intake.in_flight,
                "incidents_in_hand": flow.in_hand,
                "paused": intake.paused,
                "held": list(intake.held),
                "pauses": self.service.switchboard.facts(),
                "stopping": flow.stopping,
            },
        )
