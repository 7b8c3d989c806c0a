"""KafkaSource on a real Apache Kafka: the suite of the embedded broker, and what only a real one has."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from tests.conftest import MakeTopic
from tests.unit.sources.kafka.suite import (
    EARLIEST,
    LATEST,
    PATIENCE_S,
    Broker,
    KafkaSourceSuite,
    MakeReader,
    produce,
    until,
)

from automation_consumer.errors import BrokerError
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.sources.kafka.start import StartAt
from automation_consumer.sources.kafka.topics import check_topics

pytestmark = pytest.mark.server


class Real:
    """The real broker as the suite wants it."""

    def __init__(self, address: str, make: MakeTopic) -> None:
        self.address = address
        self.settings: dict[str, Any] = {"bootstrap.servers": address}
        self.topic = make


@pytest.fixture
def broker(kafka: str, topic: MakeTopic) -> Real:
    return Real(kafka, topic)


class TestOnARealBroker(KafkaSourceSuite):
    """The whole suite, with the settings as they are by default."""

    def test_a_new_group_starts_at_a_time(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(2)
        noon = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
        producer = Producer({"bootstrap.servers": broker.address})
        for number in range(10):
            producer.produce(topic, str(number), partition=0, timestamp=noon + (number - 5) * 1000)
        producer.produce(topic, "99", partition=1, timestamp=noon - 1000)
        assert producer.flush(30) == 0
        mine = reader(topic, group, StartAt.parse("2026-01-31T13:00:00+01:00"))
        assert mine.read(5) == [5, 6, 7, 8, 9]
        produce(broker, topic, 1, first=100, partitions=1)
        assert mine.read(6)[5:] == [100]
        assert mine.source.committed([(topic, 0), (topic, 1)]) == {(topic, 0): 5, (topic, 1): 1}
        producer.close()

    def test_partitions_added_while_it_runs_are_read_from_their_beginning(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(1)
        mine = reader(topic, group, LATEST, **{"topic.metadata.refresh.interval.ms": 500}).joined(1)
        admin = AdminClient({"bootstrap.servers": broker.address})
        for made in admin.create_partitions([NewPartitions(topic, 3)]).values():
            made.result(20)
        deadline = time.monotonic() + PATIENCE_S
        while len(admin.list_topics(topic, timeout=10).topics[topic].partitions) < 3:
            assert time.monotonic() < deadline
        produce(broker, topic, 30, partitions=3)
        assert sorted(mine.read(30)) == list(range(30))

    def test_the_protocol_of_kip_848(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(4)
        produce(broker, topic, 40)
        one = reader(topic, group, commit_on_revoke=True, **{"group.protocol": "consumer"}).joined(4)
        one.read(40)
        two = reader(topic, group, **{"group.protocol": "consumer"})

        def both() -> None:
            one.step()
            two.step()

        until(lambda: len(one.source.assignment) == len(two.source.assignment) == 2, both)
        produce(broker, topic, 40, first=40)
        until(lambda: len(one.messages) + len(two.messages) >= 80, both)
        assert sorted(one.numbers() + two.numbers()) == list(range(80))

    def test_a_static_member_comes_back_without_a_rebalance(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(2)
        one = reader(topic, group, **{"group.instance.id": "pod-0"})
        two = reader(topic, group, **{"group.instance.id": "pod-1"})

        def both() -> None:
            one.step()
            two.step()

        until(lambda: len(one.source.assignment) == len(two.source.assignment) == 1, both)
        before = two.source.assignment
        told = len(one.told)
        two.source.close()
        again = reader(topic, group, **{"group.instance.id": "pod-1"})

        def rejoin() -> None:
            one.step()
            again.step()

        until(lambda: again.source.assignment == before, rejoin)
        assert len(one.told) == told

    def test_two_members_with_the_same_instance_id_are_told_apart(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(1)
        old = reader(topic, group, **{"group.instance.id": "pod-0"}).joined(1)
        new = reader(topic, group, **{"group.instance.id": "pod-0"})

        def both() -> None:
            new.step()
            old.step()

        with pytest.raises(BrokerError, match=r"group\.instance\.id; give each its own"):
            until(lambda: False, both)

    def test_aborted_transactions_are_not_delivered_and_the_end_is_still_met(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(1)
        producer = Producer({"bootstrap.servers": broker.address, "transactional.id": uuid.uuid4().hex})
        producer.init_transactions(30)
        for value, end in (("1", producer.commit_transaction), ("2", producer.abort_transaction)):
            producer.begin_transaction()
            producer.produce(topic, value)
            assert producer.flush(30) == 0
            end(30)
        mine = reader(topic, group, report_ends=True)
        ends = mine.source.end_offsets()
        assert ends == {(topic, 0): 4}
        until(lambda: mine.source.ends_reached == ends, mine.step)
        assert mine.numbers() == [1]
        producer.close()


SASL = {"security.protocol": "sasl_plaintext", "sasl.username": "reader", "sasl.password": "reader-secret"}


@pytest.mark.parametrize(
    "settings",
    [
        {**SASL, "sasl.mechanism": "PLAIN"},
        {**SASL, "sasl.mechanism": "SCRAM-SHA-256"},
        {
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "OAUTHBEARER",
            "enable.sasl.oauthbearer.unsecure.jwt": True,
            "sasl.oauthbearer.config": "principal=reader",
        },
    ],
    ids=["plain", "scram", "oauthbearer"],
)
def test_sasl_settings_pass_through(broker: Broker, kafka_sasl: str, settings: dict[str, Any]) -> None:
    name = broker.topic(1)
    produce(broker, name, 3, partitions=1)
    complete = {"bootstrap.servers": kafka_sasl, "group.id": uuid.uuid4().hex, **settings}
    assert check_topics(complete, [name]) == {name: 1}
    assert read_three(complete, name) == [b"0", b"1", b"2"]


def test_tls_settings_pass_through(broker: Broker, kafka_tls: str) -> None:
    name = broker.topic(1)
    produce(broker, name, 3, partitions=1)
    tls = {"security.protocol": "ssl", "ssl.ca.location": os.environ["TEST_KAFKA_CA"]}
    complete = {"bootstrap.servers": kafka_tls, "group.id": uuid.uuid4().hex, **tls}
    assert check_topics(complete, [name]) == {name: 1}
    assert read_three(complete, name) == [b"0", b"1", b"2"]


def read_three(settings: dict[str, Any], name: str) -> list[bytes | None]:
    source = KafkaSource(settings, [name], EARLIEST)
    source.open()
    values: list[bytes | None] = []
    until(lambda: len(values) >= 3, lambda: values.extend(m.value for m in source.poll(10, 0.1)))
    source.close()
    return values


def test_a_wrong_password_is_told_as_such(kafka_sasl: str) -> None:
    wrong = {**SASL, "sasl.mechanism": "PLAIN", "sasl.password": "not-it"}
    with pytest.raises(
        BrokerError, match=r"cannot reach Kafka.*[Aa]uthentication failed.*sasl\.password"
    ) as told:
        check_topics({"bootstrap.servers": kafka_sasl, "group.id": "g", **wrong}, ["t"])
    assert "not-it" not in str(told.value)


def test_an_unknown_authority_is_told_as_such(kafka_tls: str) -> None:
    with pytest.raises(BrokerError, match=r"certificate verify failed.*ssl\.ca\.location"):
        check_topics({"bootstrap.servers": kafka_tls, "group.id": "g", "security.protocol": "ssl"}, ["t"])


def test_the_wrong_listener_is_told_as_such(kafka_tls: str) -> None:
    with pytest.raises(BrokerError, match=r"security\.protocol"):
        check_topics({"bootstrap.servers": kafka_tls, "group.id": "g"}, ["t"], timeout_s=3)
