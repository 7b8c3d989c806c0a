"""KafkaSource on the embedded broker, and what only that broker lets us provoke."""

from __future__ import annotations

import ctypes
import logging
import socket
import uuid
from typing import Any

import pytest
from tests.unit.sources.kafka.suite import EARLIEST, Broker, KafkaSourceSuite, MakeReader, produce, until

from automation_consumer.errors import BrokerError, ConfigError, UsageError
from automation_consumer.sources.kafka.embedded import EmbeddedBroker, bundled_library
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.sources.kafka.topics import check_topics


class InProcess:
    """The embedded broker as the suite wants it, with sessions so short that rebalances take a second."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.broker = broker
        self.address = broker.address
        self.settings: dict[str, Any] = {
            **broker.client_settings,
            "session.timeout.ms": 1500,
            "heartbeat.interval.ms": 100,
        }

    def topic(self, partitions: int = 4) -> str:
        name = f"t-{uuid.uuid4().hex[:10]}"
        self.broker.create_topic(name, partitions)
        return name


@pytest.fixture
def broker(embedded: EmbeddedBroker) -> InProcess:
    return InProcess(embedded)


class TestOnTheEmbeddedBroker(KafkaSourceSuite):
    """The whole suite."""

    def test_a_member_that_polls_too_late_loses_its_partitions_and_gets_them_again(
        self, broker: Broker, reader: MakeReader, group: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Red when the commit of a lost partition is taken for done."""
        topic = broker.topic(1)
        produce(broker, topic, 5, partitions=1)
        mine = reader(topic, group, **{"max.poll.interval.ms": 1500})
        mine.read(5)
        other = reader(topic, group).joined(
            1
        )  # which it is only when the group has given up on the first one
        mine.source.commit({(topic, 0): 5})
        until(lambda: bool(mine.events("commit_failed") and mine.events("lost")), mine.step)
        assert mine.events("commit_failed") == mine.events("lost") == [[(topic, 0)]]
        assert "kafka.poll_too_late" in [getattr(r, "fields", {}).get("event") for r in caplog.records]
        # The commit did not land, so the messages come again: at least once.
        assert other.read(5) == [0, 1, 2, 3, 4]
        assert other.source.committed([(topic, 0)]) == {(topic, 0): 0}

    def test_an_error_in_a_callback_comes_out_of_poll(self, broker: Broker, group: str) -> None:
        def refuse(partitions: object) -> None:
            raise UsageError("no more")

        topic = broker.topic(1)
        source = KafkaSource({**broker.settings, "group.id": group}, [topic], EARLIEST, on_assign=refuse)
        source.open()
        with pytest.raises(UsageError, match="no more"):
            until(lambda: False, lambda: source.poll(1, 0.1))
        source.close()

    def test_a_header_name_that_is_not_utf8_stops_nothing(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(1)
        produce(broker, topic, 100, partitions=1)  # so many that the interpreter optimises the loop
        produce_raw_header(broker.address, topic, b"\xff\xfe")
        produce(broker, topic, 1, first=7, partitions=1)
        mine = reader(topic, group)
        assert mine.read(102)[100:] == [1, 7]
        assert mine.messages[100].headers == ()

    def test_the_broker_going_away_is_logged_and_survived(
        self,
        embedded: EmbeddedBroker,
        broker: Broker,
        reader: MakeReader,
        group: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.WARNING)
        topic = broker.topic(1)
        mine = reader(topic, group).joined(1)
        embedded.close()
        until(lambda: "_ALL_BROKERS_DOWN" in caplog_codes(caplog), mine.step)
        assert mine.source.poll(10, 0.01) == []


def caplog_codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "fields", {}).get("code") for record in caplog.records]


def produce_raw_header(address: str, topic: str, name: bytes) -> None:
    """One message whose header has any bytes as its name, by librdkafka's C interface: Python's takes texts only."""
    lib = ctypes.CDLL(str(bundled_library()))
    lib.rd_kafka_conf_new.restype = lib.rd_kafka_new.restype = ctypes.c_void_p
    lib.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, *[ctypes.c_char_p] * 3, ctypes.c_size_t]
    lib.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_header_add.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_ssize_t,
        ctypes.c_char_p,
        ctypes.c_ssize_t,
    ]
    lib.rd_kafka_flush.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    error = ctypes.create_string_buffer(512)
    conf = lib.rd_kafka_conf_new()
    lib.rd_kafka_conf_set(conf, b"bootstrap.servers", address.encode(), error, 512)
    client = lib.rd_kafka_new(0, conf, error, 512)
    to_topic, value, header, end = 1, 4, 9, 0
    sent = lib.rd_kafka_producev(
        ctypes.c_void_p(client),
        *(ctypes.c_int(to_topic), ctypes.c_char_p(topic.encode())),
        *(ctypes.c_int(value), ctypes.c_char_p(b"1"), ctypes.c_size_t(1)),
        *(ctypes.c_int(header), ctypes.c_char_p(name), ctypes.c_char_p(b"x"), ctypes.c_ssize_t(1)),
        ctypes.c_int(end),
    )
    assert sent == 0
    assert lib.rd_kafka_flush(client, 10_000) == 0
    lib.rd_kafka_destroy(client)


def source(**settings: Any) -> KafkaSource:
    return KafkaSource({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", **settings}, ["t"], EARLIEST)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({}, 10.0), ({"session.timeout.ms": "2500"}, 2.5), ({"group.protocol": "consumer"}, 45.0)],
)
def test_how_long_the_group_waits_for_a_killed_member(settings: dict[str, Any], seconds: float) -> None:
    made = source(**settings)
    assert made.session_timeout_s == seconds
    made.close()


def test_a_session_timeout_that_is_no_number_is_told_as_such() -> None:
    with pytest.raises(ConfigError, match=r"session\.timeout\.ms"):
        source(**{"session.timeout.ms": "soon"})


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"fetch\.wait\.maxms"):
        source(**{"fetch.wait.maxms": 5})


def test_a_refused_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"security\.protocol"):
        source(**{"security.protocol": "tls"})


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("enable.auto.commit", True, "only when every run of its message has ended"),
        ("enable.auto.offset.store", "true", "only when every run of its message has ended"),
        ("auto.offset.reset", "latest", "start_at"),
        ("enable.partition.eof", True, "sets it itself"),
    ],
)
def test_settings_that_are_ours_are_refused(name: str, value: object, why: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}'.*{why}"):
        source(**{name: value})


def test_our_own_value_of_such_a_setting_is_no_mistake() -> None:
    source(**{"enable.auto.commit": False}).close()


def test_all_mistakes_of_the_settings_are_told_at_once() -> None:
    with pytest.raises(
        ConfigError, match=r"'ssl\.ca\.pem' must be a plain value, not list.*'enable\.auto\.commit'"
    ):
        source(**{"ssl.ca.pem": ["a"], "enable.auto.commit": True})


def test_a_source_that_is_not_open_says_so() -> None:
    idle = source()
    with pytest.raises(UsageError, match="not open"):
        idle.poll(1, 0)
    idle.close()


def test_no_broker_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            BrokerError, match=f"cannot reach Kafka at {address}.*check that a broker listens"
        ):
            check_topics({"bootstrap.servers": address, "group.id": "g"}, ["t"], timeout_s=1)
