"""Dead letters through the real producer and a broker in the process: sent, sent again, cut, given up."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import Consumer
from prometheus_client import CollectorRegistry

from automation_consumer.errors import PermanentError
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.metrics import Metrics
from automation_consumer.model.message import Message
from automation_consumer.pipeline.burial import Burial
from automation_consumer.pipeline.decode import Poison
from automation_consumer.pipeline.work import Taken
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from automation_consumer.testing import FakeClock

POISON = Poison("not-json", "line 1 of s3cret")


class World:
    """A burial whose ends the test can wait for."""

    def __init__(self, producer: KafkaProducer | None, topic: str | None = "dlq") -> None:
        self.finished: list[Taken] = []
        self.given_up: list[Exception] = []
        self.later: list[tuple[float, object]] = []
        self.ended = threading.Event()
        self.burial = Burial(
            topic,
            producer,
            finish=self._note(self.finished),
            later=lambda seconds, call: self.later.append((seconds, call)),
            given_up=self._note(self.given_up),
            clock=FakeClock(),
            metrics=Metrics(CollectorRegistry()),
            group="automation",
            config_version=lambda: self.version,
            mask=lambda text: text.replace("s3cret", "***"),
        )
        self.version = "v1"

    def _note(self, where: list):
        def note(what) -> None:
            where.append(what)
            self.ended.set()

        return note

    def bury(self, value: bytes) -> Taken:
        taken = Taken(Message("incidents", 0, 7, value, b"key", (("h", b"1"),)), 1, 1)
        self.burial.bury(taken, POISON)
        return taken


@pytest.fixture
def broker():
    with EmbeddedBroker({"dlq": 1}) as broker:
        yield broker


def read_one(broker: EmbeddedBroker):
    consumer = Consumer(
        {"bootstrap.servers": broker.address, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["dlq"])
    try:
        record = consumer.poll(20)
        assert record is not None
        assert record.error() is None
        return record
    finally:
        consumer.close()


def test_a_dead_letter_keeps_the_message_and_says_why_and_only_then_it_is_finished(broker):
    producer = KafkaProducer({"bootstrap.servers": broker.address})
    world = World(producer)
    taken = world.bury(b"{broken")
    assert world.ended.wait(20)
    producer.close()
    assert world.finished == [taken]
    record = read_one(broker)
    assert (record.value(), record.key()) == (b"{broken", b"key")
    headers = dict(record.headers())
    assert headers["h"] == b"1"
    assert headers["automation.reason"] == b"not-json"
    assert (headers["automation.group"], headers["automation.config_version"]) == (b"automation", b"v1")


def test_secrets_are_masked_in_the_reason_and_nowhere_else(broker, caplog):
    """Red when the detail is sent or logged as it is, or the value is touched."""
    producer = KafkaProducer({"bootstrap.servers": broker.address})
    world = World(producer)
    world.bury(b"{s3cret")
    assert world.ended.wait(20)
    producer.close()
    record = read_one(broker)
    assert record.value() == b"{s3cret"
    said = {name: value for name, value in record.headers() if value}
    assert said["automation.detail"] == b"line 1 of ***"
    assert b"s3cret" not in b" ".join(said.values())
    assert "s3cret" not in caplog.text


def test_a_letter_has_the_config_version_of_its_own_time(broker):
    """Red when the version is taken when the service starts, or when the letter is sent again."""
    producer = KafkaProducer(
        {"bootstrap.servers": broker.address, "queue.buffering.max.messages": 1, "linger.ms": 20_000}
    )
    world = World(producer)
    world.version = "v2"
    producer.enqueue("elsewhere", b"in the way")
    world.bury(b"{broken")
    [(_, again)] = world.later
    world.version = "v3"
    assert producer.flush(20) == 0
    again()
    assert producer.flush(20) == 0
    producer.close()
    assert dict(read_one(broker).headers())["automation.config_version"] == b"v2"


def test_what_is_refused_for_its_size_is_cut_and_sent(broker):
    producer = KafkaProducer({"bootstrap.servers": broker.address, "message.max.bytes": 1_000_000})
    world = World(producer)
    taken = world.bury(b"x" * 2_000_000)
    assert world.ended.wait(20)
    producer.close()
    assert (world.finished, world.given_up) == ([taken], [])
    record = read_one(broker)
    assert len(record.value()) < 1_000_000
    assert dict(record.headers())["automation.truncated"] == b"2000000"


def test_what_is_refused_even_then_is_given_up_and_never_finished(broker):
    producer = KafkaProducer({"bootstrap.servers": broker.address, "message.max.bytes": 1_000})
    world = World(producer)
    world.bury(b"x" * 5_000)
    assert world.ended.wait(20)
    producer.close()
    assert world.finished == []
    assert [type(error) for error in world.given_up] == [PermanentError]


def test_what_is_not_taken_now_is_sent_again_later(broker):
    producer = KafkaProducer(
        {"bootstrap.servers": broker.address, "queue.buffering.max.messages": 1, "linger.ms": 20_000}
    )
    world = World(producer)
    producer.enqueue("dlq", b"in the way")
    taken = world.bury(b"{broken")
    [(seconds, again)] = world.later
    assert seconds > 0
    assert (world.finished, world.given_up) == ([], [])
    assert producer.flush(20) == 0
    again()
    assert producer.flush(20) == 0
    assert world.ended.wait(20)
    producer.close()
    assert world.finished == [taken]


def test_without_a_topic_poison_is_finished_at_once():
    world = World(None, None)
    taken = world.bury(b"{broken")
    assert world.finished == [taken]
