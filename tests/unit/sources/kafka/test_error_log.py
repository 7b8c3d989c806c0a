"""A broker that is away for an hour must not fill the disk with lines."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from automation_consumer.sources.kafka.error_log import INTERVAL_S, ClientLog, ErrorLog


class StandingClock:
    """Time that moves when the test says so."""

    time_s = 0.0

    def now(self) -> float:
        return self.time_s

    def monotonic(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.time_s += seconds


def fields(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records]  # type: ignore[attr-defined]


def test_the_first_of_a_kind_is_told_and_the_rest_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = StandingClock()
    errors = ErrorLog(clock)
    for _ in range(1000):
        errors.tell(KafkaError(KafkaError._TRANSPORT, "refused"))
    errors.tell(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    clock.time_s = INTERVAL_S
    errors.tell(KafkaError(KafkaError._TRANSPORT, "refused"))
    clock.time_s = 2 * INTERVAL_S
    errors.tell(KafkaError(KafkaError._TRANSPORT, "refused"))
    assert [(told["code"], told["repeated"]) for told in fields(caplog)] == [
        ("_TRANSPORT", 0),
        ("_ALL_BROKERS_DOWN", 0),
        ("_TRANSPORT", 999),
        ("_TRANSPORT", 0),
    ]


def test_what_needs_a_human_is_an_error_and_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    errors = ErrorLog(StandingClock())
    errors.tell(KafkaError(KafkaError._AUTHENTICATION, "denied"))
    errors.tell(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION, "moved"))
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "sasl.password" in fields(caplog)[0]["hint"]


def test_the_clients_own_lines_are_logged_without_the_errors_that_are_told_anyway(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = ClientLog()
    client.log(40, "%s [%s] %s", "FAIL", "consumer-1", "connection refused")
    client.log(30, "%s [%s] %s", "SESSTMOUT", "consumer-1", "session timed out")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "SESSTMOUT [consumer-1] session timed out")
    ]
