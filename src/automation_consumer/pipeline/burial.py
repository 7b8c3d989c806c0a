"""Where poison goes: to the dead-letter topic with its reason, and its message is finished only when it is there."""

from __future__ import annotations

from collections.abc import Callable

from automation_consumer.clock import Clock
from automation_consumer.errors import ActionError, AutomationError, PermanentError
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.logs import get_logger
from automation_consumer.metrics import MessageResult, Metrics
from automation_consumer.model.message import Message
from automation_consumer.pipeline.decode import Poison
from automation_consumer.pipeline.work import Taken
from automation_consumer.sources.kafka.dead_letters import MAX_RECORD_BYTES, Failure, dead_letter

WHOLE = 1_000_000_000  # bytes; the most that a producer may be allowed
RETRY_S = 1.0
_log = get_logger(__name__)


def _untold(message: Message, reason: str, detail: str, then: Callable[[], None]) -> None:
    """Nobody is told."""
    then()


class Burial:
    """Sends dead letters. Its message's offset waits for the delivery, so that poison is never lost either.

    What a broker does not take now is sent again. What it refuses for good, even cut to the usual size, is handed to
    `given_up`: without its dead-letter topic the service must stop rather than drop a message.

    `group` and `config_version` (asked at each message: a reload changes it) are told in the letter. `mask` takes
    secrets out of the sentence that says what is wrong; the message itself is kept byte for byte. `told` gets the
    message, its reason and detail once the letter is there, and what finishes the message when it has been told.
    """

    def __init__(
        self,
        topic: str | None,
        producer: KafkaProducer | None,
        finish: Callable[[Taken], None],
        later: Callable[[float, Callable[[], None]], None],
        given_up: Callable[[AutomationError], None],
        clock: Clock,
        metrics: Metrics,
        *,
        group: str = "",
        config_version: Callable[[], str] = str,
        mask: Callable[[str], str] = str,
        told: Callable[[Message, str, str, Callable[[], None]], None] = _untold,
    ) -> None:
        self._topic = topic
        self._producer = producer
        self._finish = finish
        self._later = later
        self._given_up = given_up
        self._clock = clock
        self._metrics = metrics
        self._group = group
        self._config_version = config_version
        self._mask = mask
        self._told = told

    def bury(self, taken: Taken, poison: Poison) -> None:
        """Never blocks. Called by the polling thread, and by the event loop for what turns out to be poison later."""
        message = taken.message
        detail = self._mask(poison.detail)
        _log.warning(
            "%s is poison: %s: %s",
            message.place,
            poison.reason,
            detail,
            event="message.poison",
            message=message.place,
            reason=poison.reason,
        )
        self._metrics.messages.labels(MessageResult.POISON).inc()
        self._metrics.dead_letters.labels(poison.reason).inc()
        if self._topic is None or self._producer is None:
            self._told(message, poison.reason, detail, lambda: self._finish(taken))
            return
        self._send(
            taken,
            Failure(poison.reason, detail, self._clock.now(), self._group, self._config_version()),
        )

    def _send(self, taken: Taken, failure: Failure, max_bytes: int = WHOLE) -> None:
        assert self._topic is not None
        assert self._producer is not None
        record = dead_letter(taken.message, failure, max_bytes=max_bytes)

        def delivered(error: AutomationError | None) -> None:
            if error is None:
                self._told(taken.message, failure.reason, failure.detail, lambda: self._finish(taken))
                return
            place = taken.message.place
            _log.error("the dead letter of %s was refused: %s", place, error, event="dlq.refused")
            if not isinstance(error, PermanentError):
                self._later(RETRY_S, lambda: self._send(taken, failure, max_bytes))
            elif max_bytes == WHOLE:  # too large for that topic, most likely
                self._send(taken, failure, MAX_RECORD_BYTES)
            else:
                self._given_up(error)

        try:
            self._producer.enqueue(self._topic, record.value, record.key, record.headers, delivered)
        except ActionError as error:
            delivered(error)
