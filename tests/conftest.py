"""What every test may ask for. A real server that is not there skips the test on a laptop and fails it in CI."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import HealthCheck, settings

from automation_consumer.sources.kafka.embedded import EmbeddedBroker

MakeTopic = Callable[..., str]

# How long an example takes says something of the machine, nothing of the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings or secrets of the machine it runs on."""
    for name in list(os.environ):
        if name.startswith("AUTOMATION_"):
            monkeypatch.delenv(name)


def _server(variable: str, what: str) -> str:
    address = os.environ.get(variable)
    if address:
        return address
    reason = f"{what} is not there: run by tests/integration/with-servers, which sets {variable}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka() -> str:
    """The address of a real Kafka broker."""
    return _server("TEST_KAFKA", "a real Kafka broker")


@pytest.fixture(scope="session")
def kafka_sasl() -> str:
    """The address of the same broker's listener that wants SASL (user `reader`, password `reader-secret`)."""
    return _server("TEST_KAFKA_SASL", "a real Kafka broker with SASL")


@pytest.fixture(scope="session")
def kafka_tls() -> str:
    """The address of the same broker's listener that speaks TLS; TEST_KAFKA_CA is its certificate."""
    return _server("TEST_KAFKA_TLS", "a real Kafka broker with TLS")


@pytest.fixture(scope="session")
def postgres() -> str:
    """The URL of a real PostgreSQL."""
    return _server("TEST_POSTGRES", "a real PostgreSQL")


@pytest.fixture
def topic(kafka: str) -> MakeTopic:
    """Makes topics on the real broker: `topic(partitions=4)` gives a new name."""
    admin = AdminClient({"bootstrap.servers": kafka})

    def make(partitions: int = 4) -> str:
        name = f"t-{uuid.uuid4().hex[:10]}"
        for made in admin.create_topics([NewTopic(name, partitions, 1)], operation_timeout=15).values():
            made.result(20)
        return name

    return make


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    """A broker inside the test process; it is there in milliseconds."""
    with EmbeddedBroker() as broker:
        yield broker
