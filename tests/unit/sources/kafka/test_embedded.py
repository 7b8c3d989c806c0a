"""The broker inside the process."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer

from automation_consumer.errors import BrokerError, UsageError
from automation_consumer.sources.kafka.embedded import EmbeddedBroker


def partitions(broker: EmbeddedBroker, topic: str) -> int:
    client = Producer({"bootstrap.servers": broker.address})
    count = len(client.list_topics(topic, timeout=10).topics[topic].partitions)
    client.close()
    return count


def test_topics_have_the_partitions_asked_for() -> None:
    with EmbeddedBroker({"one": 1, "twelve": 12}) as broker:
        assert broker.address.startswith("127.0.0.1:")
        assert (partitions(broker, "one"), partitions(broker, "twelve")) == (1, 12)
        assert partitions(broker, "made-on-first-use") == 4


def test_a_topic_is_made_once() -> None:
    with EmbeddedBroker({"t": 2}) as broker, pytest.raises(BrokerError, match=r"'t'.*exists already"):
        broker.create_topic("t", 2)


def test_two_brokers_know_nothing_of_each_other() -> None:
    with EmbeddedBroker({"t": 1}) as one, EmbeddedBroker({"t": 3}) as two:
        assert (partitions(one, "t"), partitions(two, "t")) == (1, 3)


def test_a_closed_broker_says_so() -> None:
    broker = EmbeddedBroker()
    broker.close()
    broker.close()
    with pytest.raises(UsageError, match="closed"):
        broker.create_topic("t", 1)


def test_it_works_without_the_c_interface_with_four_partitions() -> None:
    with EmbeddedBroker({"t": 4}, native=False) as broker:
        assert partitions(broker, "t") == 4
        with pytest.raises(BrokerError, match="only 4"):
            broker.create_topic("other", 5)
        producer = Producer({"bootstrap.servers": broker.address})
        producer.produce("t", b"hello")
        assert producer.flush(30) == 0
        producer.close()
        consumer = Consumer({**broker.client_settings, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["t"])
        message = consumer.poll(30)
        assert message is not None
        assert message.value() == b"hello"
        consumer.close()
