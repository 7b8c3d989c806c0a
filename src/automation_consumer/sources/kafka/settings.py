"""The consumer's settings: the user's under librdkafka's names, our defaults below them, and the few that we own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException

from automation_consumer.errors import ConfigError
from automation_consumer.sources.kafka.error_log import ClientLog
from automation_consumer.sources.kafka.failures import cause

DEFAULTS: Final[Mapping[str, Any]] = {
    "client.id": "automation-consumer",
    # A fetch that waits long also delays partitions that are resumed meanwhile: one broker, one fetch at a time.
    "fetch.wait.max.ms": 100,
    # librdkafka looks once in this time whether its full queue has room again; its own 1,000 ms halve the throughput.
    "fetch.queue.backoff.ms": 5,
    # What is fetched ahead is memory, and is fetched again after a pause. All partitions share one queue; it takes no
    # further fetch when it has that many messages or kilobytes, so it may overshoot by what one fetch brings.
    "queued.min.messages": 10_000,
    "queued.max.messages.kbytes": 16_384,
    "fetch.max.bytes": 16_777_216,
    "socket.keepalive.enable": True,
}
"""Where the user says nothing."""

_CLASSIC: Final[Mapping[str, Any]] = {
    "partition.assignment.strategy": "cooperative-sticky",
    # After a kill the group waits this long before another member gets the partitions. Heartbeats have their own thread.
    "session.timeout.ms": 10_000,
}
"""Defaults of the classic group protocol; `group.protocol: consumer` refuses them."""

_BROKERS_SESSION_TIMEOUT_S: Final = 45.0
"""With `group.protocol: consumer` the broker decides (`group.consumer.session.timeout.ms`); this is its default."""

OWNED: Final[Mapping[str, tuple[Any, str]]] = {
    "enable.auto.commit": (False, "an offset is committed only when every run of its message has ended"),
    "enable.auto.offset.store": (
        False,
        "an offset is committed only when every run of its message has ended",
    ),
    "auto.offset.reset": (
        "earliest",
        "kafka.start_at says where a new group begins; a group whose place was deleted goes on at the oldest message",
    ),
    "enable.partition.eof": (None, "the service sets it itself"),
}
"""Settings that the user cannot change: our value (None: it depends), and why."""


def client_settings(settings: Mapping[str, Any], *, report_ends: bool = False) -> dict[str, Any]:
    """All settings of the consumer. ConfigError names each that is ours, or is not a plain value."""
    problems = [problem for name, value in settings.items() if (problem := _problem(name, value))]
    if problems:
        raise ConfigError("; ".join(problems))
    classic = {} if uses_consumer_protocol(settings) else _CLASSIC
    return {
        **DEFAULTS,
        **classic,
        **settings,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": report_ends,
    }


def _problem(name: str, value: Any) -> str | None:
    if not isinstance(value, (str, int, float, bool)):
        return f"kafka setting {name!r} must be a plain value, not {type(value).__name__}"
    if name in OWNED:
        ours, why = OWNED[name]
        if str(value).lower() != str(ours).lower():
            return f"kafka setting {name!r} cannot be set: {why}"
    return None


def uses_consumer_protocol(settings: Mapping[str, Any]) -> bool:
    """Whether the group uses the protocol of KIP-848 (`group.protocol: consumer`)."""
    return str(settings.get("group.protocol", "classic")).lower() == "consumer"


def session_timeout_s(settings: Mapping[str, Any]) -> float:
    """How long the group waits, in seconds, before a member that was killed is missed. `settings` are complete."""
    if uses_consumer_protocol(settings):
        return _BROKERS_SESSION_TIMEOUT_S
    return float(settings["session.timeout.ms"]) / 1000


def is_incremental(settings: Mapping[str, Any]) -> bool:
    """Whether rebalances come as differences (cooperative) instead of whole assignments (eager)."""
    strategy = str(settings.get("partition.assignment.strategy", ""))
    return uses_consumer_protocol(settings) or "cooperative" in strategy


def new_consumer(settings: Mapping[str, Any]) -> Consumer:
    """A librdkafka consumer, not subscribed. ConfigError when a setting is unknown or its value is refused."""
    try:
        return Consumer(dict(settings), logger=ClientLog())
    except KafkaException as error:
        raise ConfigError(
            f"kafka: {cause(error).str()}",
            hint="the settings and their values are those of librdkafka's CONFIGURATION.md",
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"kafka: {error}") from error
