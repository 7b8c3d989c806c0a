"""What a requeue promises, whatever broker it talks to: run on the embedded one and on a real one."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.unit.sources.kafka.suite import Broker

from automation_consumer.errors import UsageError
from automation_consumer.model.message import Headers, Message
from automation_consumer.sources.kafka.dead_letter_topic import DeadLetterTopic
from automation_consumer.sources.kafka.dead_letters import (
    DeadLetter,
    Failure,
    LetterId,
    RequeueMark,
    dead_letter,
    read,
)
from automation_consumer.sources.kafka.requeue import Requeue, Result, Selection, Told
from automation_consumer.testing import FakeClock

EVERYTHING = Selection()


def read_topic(broker: Broker, topic: str) -> list[Any]:
    """Everything that a reader of committed records finds there now."""
    consumer = Consumer(
        {**broker.settings, "group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    try:
        count = len(consumer.list_topics(topic, 10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, n, 0) for n in range(count)])
        found = []
        while count:
            record = consumer.poll(20)
            assert record is not None, "the broker has fallen silent"
            if record.error() is None:
                found.append(record)
            else:
                count -= 1
        return found
    finally:
        consumer.close()


class World:
    """A topic with its dead-letter topic."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.settings = {**broker.settings, "group.id": f"group-{uuid.uuid4().hex[:8]}"}
        self.topic = broker.topic(3)
        self.letters = broker.topic(2)
        self.clock = FakeClock()
        self._offsets = itertools.count(1)

    def bury(
        self,
        value: bytes | None = b"{",
        reason: str = "not-json",
        headers: Headers = (),
        *,
        topic: str | None = None,
        key: bytes | None = b"k",
        partition: int = 1,
        max_bytes: int = 1_000_000,
    ) -> LetterId:
        """A dead letter on partition 0; its id."""
        message = Message(topic or self.topic, partition, next(self._offsets), value, key, headers, 5)
        record = dead_letter(message, Failure(reason, "line 1", 1_769_860_800.0), max_bytes=max_bytes)
        where: list[LetterId] = []
        producer = Producer({"bootstrap.servers": self.broker.address})
        producer.produce(
            self.letters,
            record.value,
            record.key,
            0,
            headers=list(record.headers),
            on_delivery=lambda error, sent: where.append(LetterId(sent.partition(), sent.offset())),
        )
        assert producer.flush(20) == 0
        return where[0]

    def requeue(self, selection: Selection = EVERYTHING, *, dry_run: bool = False, **how: Any) -> list[Told]:
        with DeadLetterTopic(self.settings, self.letters) as topic:
            going = Requeue(self.settings, topic, self.clock, dry_run=dry_run)
            try:
                return list(going.run(selection, **how))
            finally:
                going.close()

    def results(self, selection: Selection = EVERYTHING, **how: Any) -> dict[LetterId, Result]:
        return {told.id: told.result for told in self.requeue(selection, **how)}

    def sent(self) -> list[Any]:
        return read_topic(self.broker, self.topic)

    def records(self) -> list[DeadLetter | RequeueMark]:
        with DeadLetterTopic(self.settings, self.letters) as topic:
            return [read(record) for record in topic.records()]


class RequeueSuite:
    """The tests; a class of each broker has them, with a fixture `broker`."""

    @pytest.fixture
    def world(self, broker: Broker) -> World:
        return World(broker)

    def test_a_message_comes_back_as_it_was(self, world: World) -> None:
        """Red when the context is sent along."""
        letter = world.bury(b"\xff\x00raw", headers=(("h", b"1"), ("none", None), ("h", b"2")), key=b"who")
        assert world.results() == {letter: Result.REQUEUED}
        (message,) = world.sent()
        assert (message.value(), message.key(), message.partition()) == (b"\xff\x00raw", b"who", 1)
        assert message.headers() == [
            ("h", b"1"),
            ("none", None),
            ("h", b"2"),
            ("automation.requeued_from", f"{world.letters}[0]@{letter.offset}".encode()),
            ("automation.requeue_count", b"1"),
        ]

    def test_it_comes_back_to_its_own_partition(self, world: World) -> None:
        """Red when the partition is left to the key: another client may have chosen it otherwise."""
        for partition in (0, 2, 1):
            world.bury(partition=partition, key=b"same")
        world.requeue()
        assert sorted(message.partition() for message in world.sent()) == [0, 1, 2]
        world.bury(partition=500)
        assert list(world.results().values()).count(Result.REQUEUED) == 1

    def test_it_is_sent_once_however_often_it_is_asked_for(self, world: World) -> None:
        """Red when the mark is not written, or is not looked for."""
        letter = world.bury()
        named = Selection(ids=frozenset({letter}))
        assert world.results() == {letter: Result.REQUEUED}
        assert world.results() == {letter: Result.SKIPPED}
        assert world.results(named) == {letter: Result.SKIPPED}
        assert len(world.sent()) == 1
        assert world.results(named, again=True) == {letter: Result.REQUEUED}
        assert len(world.sent()) == 2

    def test_a_message_that_fails_again_has_a_letter_that_counts(self, world: World) -> None:
        """Red when the count starts anew each time."""
        world.requeue(Selection(ids=frozenset({world.bury()})))
        for times in (1, 2):
            (message,) = [
                m for m in world.sent() if dict(m.headers())["automation.requeue_count"] == b"%d" % times
            ]
            again = world.bury(message.value(), headers=tuple(message.headers()))
            (letter,) = [
                each for each in world.records() if isinstance(each, DeadLetter) and each.id == again
            ]
            assert letter.requeues == times
            assert world.results(Selection(ids=frozenset({again}))) == {again: Result.REQUEUED}
        counts = sorted(dict(message.headers())["automation.requeue_count"] for message in world.sent())
        assert counts == [b"1", b"2", b"3"]
        last = [m for m in world.sent() if dict(m.headers())["automation.requeue_count"] == b"3"]
        assert len(last[0].headers()) == 2

    def test_filters_and_limit_choose(self, world: World) -> None:
        first, second = world.bury(reason="empty"), world.bury(reason="too-deep")
        other = world.bury(reason="empty", topic="elsewhere")
        assert set(world.results(Selection(reason="empty"), dry_run=True)) == {first, other}
        assert set(world.results(Selection(topic=world.topic), dry_run=True)) == {first, second}
        assert world.results(limit=1) == {first: Result.REQUEUED}
        assert set(world.results(Selection(since_ms=2**50), dry_run=True)) == set()
        assert set(world.results(Selection(until_ms=2**50), dry_run=True)) == {first, second, other}

    def test_a_dry_run_sends_nothing(self, world: World) -> None:
        letter = world.bury()
        assert world.results(dry_run=True) == {letter: Result.REQUEUED}
        assert world.sent() == []
        assert len(world.records()) == 1

    def test_what_cannot_be_sent_is_refused_and_the_others_are_sent(self, world: World) -> None:
        good, more = world.bury(), world.bury()
        cut = world.bury(b"x" * 5000, max_bytes=3000)
        gone = world.bury(topic="nowhere-to-be-found")
        nobody = LetterId(0, 10_000)
        away = LetterId(77, 0)
        ids = frozenset({good, more, cut, gone, nobody, away})
        told = {each.id: each for each in world.requeue(Selection(ids=ids))}
        assert {each for each in told if told[each].result is Result.REQUEUED} == {good, more}
        assert {each for each in told if told[each].result is Result.REFUSED} == {cut, gone, nobody, away}
        assert "not whole" in told[cut].why
        assert "nowhere-to-be-found" in told[gone].why
        assert len(world.sent()) == 2

    def test_a_mark_is_no_letter(self, world: World) -> None:
        letter = world.bury()
        world.requeue()
        (mark,) = [each for each in world.records() if isinstance(each, RequeueMark)]
        assert mark.letter == letter
        found = [each.id for each in world.records() if isinstance(each, DeadLetter)]
        assert found == [letter]

    def test_a_service_that_reads_uncommitted_records_is_refused(self, world: World) -> None:
        settings = {**world.settings, "isolation.level": "read_uncommitted"}
        with (
            DeadLetterTopic(settings, world.letters) as topic,
            pytest.raises(UsageError, match="read_uncommitted"),
        ):
            Requeue(settings, topic, world.clock)

    def test_the_topic_is_read_up_to_where_it_ended(self, world: World) -> None:
        """Red when what is written meanwhile counts, or a batch ends the read."""
        producer = Producer({"bootstrap.servers": world.broker.address})
        for number in range(1200):
            producer.produce(world.letters, b"%d" % number, partition=1)
        assert producer.flush(20) == 0
        with DeadLetterTopic(world.settings, world.letters) as topic:
            records = topic.records()
            assert next(records).value == b"0"
            producer.produce(world.letters, b"late", partition=1)
            assert producer.flush(20) == 0
            assert [int(record.value or b"") for record in records] == list(range(1, 1200))
            assert [record.offset for record in topic.records({1: 1199})] == [1199, 1200]
            assert list(topic.records({1: 5000, 0: 0, 9: 0})) == []
