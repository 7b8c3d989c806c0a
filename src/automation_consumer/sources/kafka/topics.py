"""Which topics are there, and whether the broker lets us in: asked before the service starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import re2
from confluent_kafka import Consumer, KafkaError, KafkaException

from automation_consumer.clock import Clock, SystemClock
from automation_consumer.errors import BrokerError, ConfigError
from automation_consumer.sources.kafka.failures import REFUSED, broker_error, cause, root_cause
from automation_consumer.sources.kafka.settings import client_settings, new_consumer

_STEP_S: Final = 2.0


def check_topics(
    settings: Mapping[str, Any],
    topics: Sequence[str],
    *,
    timeout_s: float = 10.0,
    key: str = "kafka.topics",
    clock: Clock | None = None,
) -> dict[str, int]:
    """The topics that are read, with their numbers of partitions. Does not join the group. Blocks up to `timeout_s`.

    `key` of the configuration says which they are.

    BrokerError when no broker answers (with the reason that the client gave) or a topic is missing; ConfigError when
    a setting is wrong.
    """
    clock = clock or SystemClock()
    errors: list[KafkaError] = []
    consumer = new_consumer({**client_settings(settings), "error_cb": errors.append})
    try:
        _wait_for_broker(consumer, errors, settings, clock, clock.monotonic() + timeout_s)
        return existing_topics(consumer, topics, key=key)
    finally:
        consumer.close()


def _wait_for_broker(
    consumer: Consumer, errors: list[KafkaError], settings: Mapping[str, Any], clock: Clock, deadline: float
) -> None:
    doing = f"cannot reach Kafka at {settings.get('bootstrap.servers')}"
    while True:
        left = deadline - clock.monotonic()
        try:
            consumer.list_topics(timeout=max(0.1, min(_STEP_S, left)))
            return
        except KafkaException as error:
            consumer.poll(0.1)  # delivers what the client reported to error_cb
            refused = any(reported.code() in REFUSED for reported in errors)
            if refused or clock.monotonic() >= deadline:
                raise broker_error(doing, root_cause(errors) or cause(error)) from error


def existing_topics(
    consumer: Consumer, topics: Sequence[str], *, timeout_s: float = 10.0, key: str = "kafka.topics"
) -> dict[str, int]:
    """Topics by name (or by pattern, `^…`) with their numbers of partitions. BrokerError when one is missing.

    `key` of the configuration says which they are.
    """
    try:
        known = consumer.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise broker_error("cannot list the topics", cause(error)) from error
    found: dict[str, int] = {}
    missing: list[str] = []
    for wanted in topics:
        names = [name for name in known if _matches(wanted, name)]
        found.update({name: len(known[name].partitions) for name in names})
        if not names:
            missing.append(wanted)
    if missing:
        listed = ", ".join(repr(name) for name in missing)
        raise BrokerError(
            f"Kafka has no topic {listed}, or this user may not see it",
            hint=f"create it, correct {key}, or grant the right Describe on it",
        )
    return found


def _matches(wanted: str, name: str) -> bool:
    if not wanted.startswith("^"):
        return wanted == name
    try:
        return bool(re2.search(wanted, name))
    except re2.error as error:
        raise ConfigError(f"kafka.topics: the pattern {wanted!r} does not compile: {error}") from error
