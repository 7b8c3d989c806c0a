"""The requeue suite on the embedded broker."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.unit.sources.kafka.requeue_suite import RequeueSuite

from automation_consumer.sources.kafka.embedded import EmbeddedBroker


class Embedded:
    """The embedded broker as the suite wants it."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        self.address = broker.address
        self.settings: dict[str, Any] = broker.client_settings

    def topic(self, partitions: int) -> str:
        name = f"t-{uuid.uuid4().hex[:10]}"
        self._broker.create_topic(name, partitions)
        return name


class TestOnTheEmbeddedBroker(RequeueSuite):
    """The whole suite."""

    @pytest.fixture
    def broker(self, embedded: EmbeddedBroker) -> Embedded:
        return Embedded(embedded)
