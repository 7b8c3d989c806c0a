"""The producer against a broker in the process."""

from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from automation_consumer.errors import (
    ActionError,
    BrokerError,
    EffectUnknownError,
    PermanentError,
    TemporaryError,
)
from automation_consumer.integrations.kafka_producer import (
    KafkaProducer,
    client_key,
    delivery_error,
    producer_settings,
)
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

# A socket that is bound and not listened on: nothing answers there.
NOBODY = {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 300, "log_level": 0}


def read_all(address: str, topic: str, count: int, partitions: int = 4) -> list:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        found, deadline = [], time.monotonic() + 10
        while len(found) < count and time.monotonic() < deadline:
            found.extend(m for m in consumer.consume(count - len(found), 0.2) if m.error() is None)
        return found
    finally:
        consumer.close()


@pytest.fixture
def producer(embedded: EmbeddedBroker):
    made = KafkaProducer(
        {"bootstrap.servers": embedded.address, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    yield made
    made.close()


def test_send_returns_when_the_broker_has_it(embedded, producer):
    producer.send("t", b"value", b"key", [("h", b"1"), ("none", None), ("h", b"2")], partition=3)
    (message,) = read_all(embedded.address, "t", 1)
    assert (message.value(), message.key(), message.partition()) == (b"value", b"key", 3)
    assert message.headers() == [("h", b"1"), ("none", None), ("h", b"2")]


def test_one_key_goes_to_one_partition_in_order(embedded, producer):
    for number in range(20):
        producer.enqueue("t", str(number).encode(), b"same")
    assert producer.flush(10) == 0
    messages = read_all(embedded.address, "t", 20)
    assert len({m.partition() for m in messages}) == 1
    assert [int(m.value()) for m in messages] == list(range(20))


def test_enqueue_reports_later_and_from_another_thread(producer):
    reports: list[tuple[ActionError | None, str]] = []
    done = threading.Event()

    def report(error):
        reports.append((error, threading.current_thread().name))
        done.set()

    producer.enqueue("t", None, b"tombstone", (), report)
    assert done.wait(10)
    assert reports == [(None, "kafka-producer")]


def test_a_report_may_enqueue_again(embedded, producer):
    done = threading.Event()
    producer.enqueue(
        "t", b"1", on_delivery=lambda _: producer.enqueue("t", b"2", on_delivery=lambda _: done.set())
    )
    assert done.wait(10)
    assert len(read_all(embedded.address, "t", 2)) == 2


def test_a_message_that_is_too_large_is_permanent(producer):
    with pytest.raises(PermanentError, match="MSG_SIZE_TOO_LARGE"):
        producer.send("t", b"x" * 2_000_000)


def test_a_partition_that_is_not_there_is_permanent(producer):
    with pytest.raises(PermanentError, match="_UNKNOWN_PARTITION"):
        producer.send("t", b"x", partition=77)


def test_without_a_broker_nobody_knows():
    producer = KafkaProducer(NOBODY)
    with pytest.raises(EffectUnknownError, match="_MSG_TIMED_OUT"):
        producer.send("t", b"x")
    assert producer.close() == 0


def test_no_report_in_time():
    producer = KafkaProducer({**NOBODY, "message.timeout.ms": 60_000})
    with pytest.raises(EffectUnknownError, match=r"no delivery report .* within 0.05 s"):
        producer.send("t", b"x", timeout_s=0.05)
    producer.close(0)


def test_close_reports_what_was_left():
    producer = KafkaProducer({**NOBODY, "message.timeout.ms": 60_000})
    reports: list[ActionError | None] = []
    producer.enqueue("t", b"x", on_delivery=reports.append)
    assert producer.flush(0.05) == 1
    assert producer.close(0.05) == 1
    assert producer.close() == 0
    assert [type(report) for report in reports] == [TemporaryError]


def test_after_close_nothing_is_taken(producer):
    producer.close()
    with pytest.raises(TemporaryError, match="closed"):
        producer.send("t", b"x")


def test_a_full_queue_is_temporary():
    producer = KafkaProducer({**NOBODY, "message.timeout.ms": 60_000, "queue.buffering.max.messages": 1})
    producer.enqueue("t", b"1")
    with pytest.raises(TemporaryError, match="wait for delivery") as caught:
        producer.enqueue("t", b"2")
    assert caught.value.retry_after_s == 1.0
    producer.close(0)


def test_after_a_fatal_error_a_new_producer_goes_on(embedded, producer):
    broken = producer._producer
    producer._on_error(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "lost its place", True))
    deadline = time.monotonic() + 10
    while (producer._producer is broken or producer._broken.is_set()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert producer._producer is not broken
    producer.send("t", b"after")
    assert [m.value() for m in read_all(embedded.address, "t", 1)] == [b"after"]


def test_settings_that_are_refused():
    with pytest.raises(BrokerError, match="cannot be made"):
        KafkaProducer({"bootstrap.servers": "x:1", "no.such.setting": 1})


def test_a_consumers_settings_are_left_out_and_ours_added():
    settings = {
        "bootstrap.servers": "b:9092",
        "security.protocol": "ssl",
        "group.id": "g",
        "group.instance.id": "i",
        "auto.offset.reset": "latest",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "max.poll.interval.ms": 300000,
        "fetch.wait.max.ms": 5,
        "queued.min.messages": 10,
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "test.mock.num.brokers": 1,
    }
    assert producer_settings(settings) == {
        "bootstrap.servers": "b:9092",
        "security.protocol": "ssl",
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 30000,
    }


def test_what_the_yaml_says_wins_under_either_name():
    made = producer_settings(
        {"delivery.timeout.ms": 5, "enable.idempotence": False, "request.required.acks": 1}
    )
    assert made == {"delivery.timeout.ms": 5, "enable.idempotence": False, "request.required.acks": 1}


def test_one_producer_for_settings_that_differ_for_consumers_only():
    assert client_key({"a": 1, "group.id": "x"}) == client_key({"group.id": "y", "a": 1})
    assert client_key({"a": 1}) != client_key({"a": 2})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, PermanentError),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, PermanentError),
        (KafkaError.NOT_ENOUGH_REPLICAS, TemporaryError),
        (KafkaError._PURGE_QUEUE, TemporaryError),
        (KafkaError._PURGE_INFLIGHT, EffectUnknownError),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, EffectUnknownError),
        (KafkaError.REQUEST_TIMED_OUT, EffectUnknownError),
    ],
)
def test_what_a_failed_delivery_means(code, kind):
    error = delivery_error(KafkaError(code), "t")
    assert type(error) is kind
    assert KafkaError(code).name() in str(error)
