"""The one producer of the process: for `publish`, the dead-letter topic and the outcome topic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from automation_consumer.errors import (
    ActionError,
    BrokerError,
    EffectUnknownError,
    PermanentError,
    TemporaryError,
)
from automation_consumer.logs import get_logger

log = get_logger(__name__)

OnDelivery = Callable[[ActionError | None], None]
Headers = Iterable[tuple[str, bytes | None]]

MESSAGE_TIMEOUT_S: Final = 30.0
_REPORT_GRACE_S: Final = 5.0  # librdkafka looks for timed-out messages once a second
_POLL_S: Final = 0.2
_DEFAULTS: Final = {
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": int(MESSAGE_TIMEOUT_S * 1000),
}
_OTHER_NAMES: Final = {"acks": "request.required.acks", "message.timeout.ms": "delivery.timeout.ms"}

_CONSUMER_ONLY: Final = frozenset(
    {
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "check.crcs",
        "consume.callback.max.messages",
        "coordinator.query.interval.ms",
        "heartbeat.interval.ms",
        "isolation.level",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "offset.store.method",
        "on_commit",
        "partition.assignment.strategy",
        "session.timeout.ms",
    }
)
_CONSUMER_PREFIXES: Final = (
    "group.",
    "enable.auto.",
    "enable.partition.",
    "fetch.",
    "queued.",
    "auto.commit.",
    "share.",
    "test.mock.",  # a second mock cluster would swallow every message
)

# By name: librdkafka's own codes have no public constants.
_REFUSED: Final = frozenset(
    {
        "MSG_SIZE_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE",
        "INVALID_MSG_SIZE",
        "INVALID_MSG",
        "INVALID_RECORD",
        "INVALID_TIMESTAMP",
        "INVALID_REQUIRED_ACKS",
        "TOPIC_EXCEPTION",
        "TOPIC_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "SASL_AUTHENTICATION_FAILED",
        "UNKNOWN_TOPIC_OR_PART",
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "POLICY_VIOLATION",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "_INVALID_ARG",
        "_BAD_MSG",
    }
)
_NOT_WRITTEN: Final = frozenset(
    {
        "_QUEUE_FULL",
        "_PURGE_QUEUE",
        "NOT_ENOUGH_REPLICAS",
        "NOT_LEADER_FOR_PARTITION",
        "LEADER_NOT_AVAILABLE",
        "THROTTLING_QUOTA_EXCEEDED",
    }
)
_ANY_PARTITION: Final = -1


def producer_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Client settings without what only a consumer knows, and with our defaults: idempotent, acks of all, 30 s."""
    kept = {
        name: value
        for name, value in settings.items()
        if name not in _CONSUMER_ONLY and not name.startswith(_CONSUMER_PREFIXES)
    }
    defaults = {name: value for name, value in _DEFAULTS.items() if _OTHER_NAMES.get(name) not in kept}
    return {**defaults, **kept}


def client_key(settings: Mapping[str, Any]) -> tuple[object, ...]:
    """The key under which a process shares the producer of these settings."""
    return (
        "kafka_producer",
        *sorted((name, repr(value)) for name, value in producer_settings(settings).items()),
    )


def delivery_error(error: KafkaError, topic: str) -> ActionError:
    """What a failed delivery means for a second try."""
    reason = f"{error.name()}: {error.str()}"
    if error.name() in _REFUSED:
        return PermanentError(f"Kafka refused a message to topic {topic!r}: {reason}")
    message = f"Kafka did not confirm a message to topic {topic!r}: {reason}"
    if error.name() in _NOT_WRITTEN:
        return TemporaryError(message)
    # Timed out, purged in flight, broken connection: the broker may have it.
    return EffectUnknownError(message)


def client_error(error: KafkaException | SystemError) -> KafkaError:
    """What the client says by what it raised; raises anew what it has not said.

    It calls for delivery reports while its own fatal error is pending already. Python hides that in a SystemError.
    """
    told: BaseException | None = error
    while isinstance(told, SystemError):
        told = told.__cause__
    if not isinstance(told, KafkaException):
        raise error
    said: KafkaError = told.args[0]
    return said


class KafkaProducer:
    """Sends messages; thread-safe. A thread of its own serves the delivery reports.

    `settings` are librdkafka's, those of a consumer included (they are left out). BrokerError when they are refused.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = producer_settings(settings)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._broken = threading.Event()
        self._producer = self._make()
        self._poller = threading.Thread(target=self._serve_reports, name="kafka-producer", daemon=True)
        self._poller.start()

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timeout_s: float = MESSAGE_TIMEOUT_S + _REPORT_GRACE_S,
    ) -> None:
        """Send and wait for the delivery report. Blocks up to `timeout_s`; raises one of the three `ActionError`s."""
        reported = threading.Event()
        results: list[ActionError | None] = []

        def report(error: ActionError | None) -> None:
            results.append(error)
            reported.set()

        self.enqueue(topic, value, key, headers, report, partition)
        if not reported.wait(timeout_s):
            raise EffectUnknownError(
                f"no delivery report for a message to topic {topic!r} within {timeout_s:g} s"
            )
        if results[0] is not None:
            raise results[0]

    def enqueue(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        on_delivery: OnDelivery | None = None,
        partition: int | None = None,
    ) -> None:
        """Hand over without waiting. `on_delivery(None)` or `on_delivery(error)` is called later, once, from the
        producer's thread; it must not block. Raises at once, without calling it, when the message is not accepted."""

        producer = self._producer

        def delivered(error: KafkaError | None, _message: Any) -> None:
            if error is not None and error.fatal():
                self._give_up(producer)
            if on_delivery is not None:
                on_delivery(None if error is None else delivery_error(error, topic))

        where = _ANY_PARTITION if partition is None else partition
        if self._closed.is_set():
            raise TemporaryError("the Kafka producer is closed: the process is stopping")
        try:
            producer.produce(
                topic, value=value, key=key, partition=where, on_delivery=delivered, headers=list(headers)
            )
        except BufferError as error:
            raise TemporaryError(
                f"too many messages wait for delivery to Kafka (topic {topic!r})", retry_after_s=1.0
            ) from error
        except KafkaException as error:
            if error.args[0].fatal():
                self._give_up(producer)
                raise TemporaryError(
                    f"the Kafka producer is being made anew, topic {topic!r}: {error.args[0].str()}",
                    retry_after_s=1.0,
                ) from error
            raise delivery_error(error.args[0], topic) from error

    def flush(self, timeout_s: float) -> int:
        """Wait until everything is delivered or `timeout_s` is over. Blocks; returns how many messages are left."""
        return int(self._producer.flush(timeout_s))

    def close(self, timeout_s: float = 10.0) -> int:
        """Flush for up to `timeout_s`, report the rest as failed, stop. Blocks; returns how many were left. Safe to call twice."""
        with self._lock:
            if self._closed.is_set():
                return 0
            self._closed.set()
        self._poller.join()
        return _finish(self._producer, timeout_s)

    def _make(self) -> Producer:
        try:
            return Producer({"error_cb": self._on_error, "logger": log.logger, **self._settings})
        except KafkaException as error:
            raise BrokerError(
                f"the Kafka producer cannot be made: {error.args[0].str()}",
                hint="see the settings under kafka, or the connection's",
            ) from error

    def _serve_reports(self) -> None:
        while not self._closed.is_set():
            try:
                self._producer.poll(_POLL_S)
            except (KafkaException, SystemError) as error:
                self._on_error(client_error(error))
            if self._broken.is_set():
                self._replace()

    def _give_up(self, producer: Producer) -> None:
        if producer is self._producer:
            self._broken.set()

    def _replace(self) -> None:
        """After a fatal error a librdkafka producer never sends again."""
        try:
            fresh = self._make()
        except BrokerError:
            log.exception("the Kafka producer cannot be made anew", event="kafka.producer_error")
            self._closed.wait(1.0)
            return
        broken, self._producer = self._producer, fresh
        _finish(broken, 0.0)
        self._broken.clear()  # only now: the old one may have spoken once more

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._broken.set()
        # Everything else it mends by itself; only the messages' own reports decide anything.
        log.warning("Kafka producer: %s", error.str(), event="kafka.producer_error", code=error.name())


def _finish(producer: Producer, timeout_s: float) -> int:
    left = int(producer.flush(timeout_s))
    if left:
        log.warning("%d messages were not delivered to Kafka", left, event="kafka.undelivered", count=left)
        producer.purge()
        producer.flush(5.0)  # serves the reports of what was purged
    return left
