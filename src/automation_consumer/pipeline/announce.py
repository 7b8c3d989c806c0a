"""The outcome topic: every run that has ended, as an event for other programs."""

from __future__ import annotations

import orjson

from automation_consumer.clock import iso
from automation_consumer.errors import ActionError
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.logs import get_logger
from automation_consumer.model.run import Run

_log = get_logger(__name__)


class Announcer:
    """Sends an event per ended run, keyed by incident. Never blocks; an event that cannot be sent is logged.

    The journal is the truth: an event that was not delivered before a crash is not sent again.
    """

    def __init__(self, topic: str | None, producer: KafkaProducer | None) -> None:
        self._topic = topic
        self._producer = producer

    def ended(self, run: Run) -> None:
        """`run` as it ended, secrets masked."""
        if self._topic is None or self._producer is None:
            return

        def delivered(error: ActionError | None) -> None:
            if error is not None:
                _log.error(
                    "the outcome of run %s was not announced: %s", run.id, error, event="outcome.failed"
                )

        try:
            value = orjson.dumps(event(run))
            self._producer.enqueue(self._topic, value, run.incident_id.encode(), (), delivered)
        except ActionError as error:
            delivered(error)


def event(run: Run) -> dict[str, object]:
    """The event: `event_id` is the same whenever the same ending is announced."""
    return {
        "event_id": f"{run.id}-{run.status}",
        "at": iso(run.ended_at if run.ended_at is not None else run.created_at),
        "run": run.id,
        "status": str(run.status),
        "reason": run.reason,
        "url": run.url,
        "incident": run.incident_id,
        "alert": run.alert_id,
        "condition": run.condition,
        "phase": str(run.phase),
        "action": run.action,
        "action_type": run.action_type,
        "attempt": run.attempt,
        "rule": run.rule,
        "config_version": run.config_version,
        "message": f"{run.topic}[{run.partition}]@{run.offset}",
    }
