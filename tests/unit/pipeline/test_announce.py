"""The outcome topic on the embedded broker: one event per ended run, with a stable id."""

from __future__ import annotations

import orjson
from confluent_kafka import Consumer
from tests.contract.journal.test_journal import a_run

from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.model.run import RunStatus
from automation_consumer.pipeline.announce import Announcer, event
from automation_consumer.sources.kafka.embedded import EmbeddedBroker


def test_an_ended_run_is_announced_under_its_incident():
    with EmbeddedBroker({"outcomes": 1}) as broker:
        producer = KafkaProducer({"bootstrap.servers": broker.address})
        ended = a_run(status=RunStatus.FAILED, reason="job 7 failed", ended_at=101.0)
        Announcer("outcomes", producer).ended(ended)
        producer.close()
        consumer = Consumer({**broker.client_settings, "group.id": "test", "auto.offset.reset": "earliest"})
        consumer.subscribe(["outcomes"])
        (message,) = consumer.consume(1, 20)
        consumer.close()
    assert message.key() == b"INC-1"
    assert orjson.loads(message.value()) == event(ended)
    assert event(ended)["event_id"] == "r1-failed"
    assert event(ended)["at"] == "1970-01-01T00:01:41.000Z"


def test_without_a_topic_nothing_is_sent():
    Announcer(None, None).ended(a_run(status=RunStatus.FAILED))


def test_a_producer_that_takes_nothing_more_never_stops_a_run(caplog):
    with EmbeddedBroker({"outcomes": 1}) as broker:
        producer = KafkaProducer({"bootstrap.servers": broker.address})
        producer.close()
        Announcer("outcomes", producer).ended(a_run(status=RunStatus.FAILED))
    assert "was not announced" in caplog.text
