"""What a KafkaSource promises, whatever broker it talks to: run on the embedded one and on a real one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from automation_consumer.errors import BrokerError, UsageError
from automation_consumer.model.message import Message
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.sources.kafka.start import Partition, StartAt
from automation_consumer.sources.kafka.topics import check_topics

EARLIEST = StartAt.parse("earliest")
LATEST = StartAt.parse("latest")
PATIENCE_S = 60.0

OTHER_PROCESS = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1]})
for n in range(20):
    producer.produce(sys.argv[2], f"from outside {n}")
sys.exit(producer.flush(20))
"""


class Broker(Protocol):
    """What the suite needs of a broker."""

    @property
    def address(self) -> str: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def topic(self, partitions: int = 4) -> str: ...


def produce(broker: Broker, topic: str, count: int, *, first: int = 0, partitions: int = 4) -> None:
    """`count` messages whose values are numbers, spread over the partitions in turn."""
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 1})
    for number in range(first, first + count):
        producer.produce(topic, str(number), partition=number % partitions)
    assert producer.flush(30) == 0
    producer.close()


def until(done: Callable[[], bool], step: Callable[[], object]) -> None:
    """Step until done; fails when it takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "waited too long"
        step()


class Reader:
    """A source and all that it delivered and told."""

    def __init__(
        self, broker: Broker, topic: str, group: str, start_at: StartAt = EARLIEST, **more: Any
    ) -> None:
        self.messages: list[Message] = []
        self.told: list[tuple[str, list[Partition]]] = []
        self.landed: dict[Partition, int] = {}
        self.commit_on_revoke = more.pop("commit_on_revoke", False)
        self.refused: list[
            Partition
        ] = []  # commits in on_revoke that did not land: a rebalance may overtake them
        report_ends = more.pop("report_ends", False)
        self.source = KafkaSource(
            {**broker.settings, "group.id": group, **more},
            [topic],
            start_at,
            on_assign=lambda partitions: self.told.append(("assign", partitions)),
            on_revoke=self._revoked,
            on_lost=lambda partitions: self.told.append(("lost", partitions)),
            on_committed=self.landed.update,
            on_commit_failed=lambda partitions: self.told.append(("commit_failed", partitions)),
            report_ends=report_ends,
        )
        self.source.open()

    def _revoked(self, partitions: list[Partition]) -> None:
        self.told.append(("revoke", partitions))
        if self.commit_on_revoke:
            wanted = {place: offset for place, offset in self.offsets().items() if place in partitions}
            self.refused += self.source.commit_sync(wanted)

    def step(self, timeout_s: float = 0.05, max_messages: int = 500) -> list[Message]:
        got = self.source.poll(max_messages, timeout_s)
        self.messages += got
        return got

    def read(self, count: int) -> list[int]:
        """Step until that many messages are there (in all); their numbers."""
        until(lambda: len(self.messages) >= count, self.step)
        return self.numbers()

    def joined(self, partitions: int) -> Reader:
        until(lambda: len(self.source.assignment) == partitions, self.step)
        return self

    def numbers(self) -> list[int]:
        return [int(message.value or b"-1") for message in self.messages]

    def offsets(self) -> dict[Partition, int]:
        """The next offsets to read, after all that was delivered."""
        return {(m.topic, m.partition): m.offset + 1 for m in self.messages}

    def quiet(self, seconds: float) -> bool:
        """Whether nothing is delivered for that long."""
        before = len(self.messages)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
        return len(self.messages) == before

    def events(self, kind: str) -> list[list[Partition]]:
        return [partitions for told, partitions in self.told if told == kind]


MakeReader = Callable[..., Reader]


class KafkaSourceSuite:
    """Subclasses give the fixture `broker`."""

    @pytest.fixture
    def reader(self, broker: Broker) -> Iterator[MakeReader]:
        with ExitStack() as stack:

            def make(topic: str, group: str, start_at: StartAt = EARLIEST, **more: Any) -> Reader:
                made = Reader(broker, topic, group, start_at, **more)
                stack.callback(made.source.close)
                return made

            yield make

    @pytest.fixture
    def group(self) -> str:
        return f"g-{uuid.uuid4().hex[:10]}"

    def test_a_message_arrives_as_it_was_sent(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(1)
        producer = Producer({"bootstrap.servers": broker.address})
        headers = [("trace", b"\x00\xff"), ("twice", b"1"), ("twice", b"2"), ("none", None)]
        producer.produce(topic, b"\xff\x00{", key=b"\x01", headers=headers, timestamp=1_700_000_000_123)
        producer.produce(topic, None, key=b"tombstone")
        assert producer.flush(30) == 0
        mine = reader(topic, group)
        until(lambda: len(mine.messages) == 2, mine.step)
        first, tombstone = mine.messages
        assert first == Message(topic, 0, 0, b"\xff\x00{", b"\x01", tuple(headers), 1_700_000_000_123)
        assert (tombstone.value, tombstone.key, tombstone.offset, tombstone.headers) == (
            None,
            b"tombstone",
            1,
            (),
        )
        producer.close()

    def test_a_backlog_comes_in_batches_and_in_order(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(4)
        produce(broker, topic, 2000)
        mine = reader(topic, group)
        sizes = []
        until(lambda: len(mine.messages) >= 2000, lambda: sizes.append(len(mine.step(max_messages=300))))
        assert max(sizes) > 100
        assert max(sizes) <= 300
        assert sorted(mine.numbers()) == list(range(2000))
        for partition in range(4):
            offsets = [m.offset for m in mine.messages if m.partition == partition]
            assert offsets == list(range(500))

    def test_one_message_at_a_time(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(1)
        produce(broker, topic, 3, partitions=1)
        mine = reader(topic, group)
        until(lambda: bool(mine.step(max_messages=1)), lambda: None)
        assert len(mine.messages) == 1

    def test_a_message_does_not_wait_for_a_batch(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(1)
        mine = reader(topic, group, LATEST).joined(1)
        produce(broker, topic, 1, partitions=1)
        began = time.monotonic()
        until(lambda: bool(mine.messages), lambda: mine.step(timeout_s=30.0))
        assert time.monotonic() - began < 10

    def test_paused_partitions_deliver_nothing_until_resumed(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(4)
        produce(broker, topic, 400)
        mine = reader(topic, group).joined(4)
        mine.step(max_messages=10)
        mine.source.pause(mine.source.assignment)
        assert mine.source.paused == mine.source.assignment
        produce(broker, topic, 400, first=400)
        assert mine.quiet(0.5)
        mine.source.resume([(topic, 1)])
        until(lambda: any(m.partition == 1 and m.offset == 199 for m in mine.messages), mine.step)
        assert (topic, 1) not in mine.source.paused
        mine.source.resume(mine.source.assignment)
        assert sorted(mine.read(800)) == list(range(800))

    def test_a_restart_goes_on_at_the_committed_offsets(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(4)
        produce(broker, topic, 40)
        first = reader(topic, group)
        first.read(40)
        first.source.commit({(topic, 0): 3, (topic, 1): 10})
        until(
            lambda: first.source.committed([(topic, 0), (topic, 1)]) == {(topic, 0): 3, (topic, 1): 10},
            first.step,
        )
        assert first.source.commit_sync({(topic, 2): 10}) == []
        first.source.close()
        second = reader(topic, group)
        second.read(17)
        assert second.quiet(0.3)
        places = {(m.partition, m.offset) for m in second.messages}
        assert places == {(0, o) for o in range(3, 10)} | {(3, o) for o in range(10)}

    def test_a_commit_is_confirmed_when_the_broker_has_it(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        """Red when `on_committed` is called for what was only sent, or never."""
        topic = broker.topic(2)
        produce(broker, topic, 10, partitions=2)
        mine = reader(topic, group)
        mine.read(10)
        assert mine.source.began == {(topic, 0): 0, (topic, 1): 0}
        mine.landed.clear()  # the starts of a new group
        mine.source.commit({(topic, 0): 3, (topic, 1): 5})
        assert mine.landed == {}
        until(lambda: mine.landed == {(topic, 0): 3, (topic, 1): 5}, mine.step)
        assert mine.source.committed(mine.source.assignment) == mine.landed
        assert mine.source.commit_sync({(topic, 0): 4}) == []
        mine.source.close()
        assert mine.landed[topic, 0] == 3  # its answer is what `commit_sync` gives
        again = reader(topic, group).joined(2)
        assert again.source.all_partitions(5) == again.source.assignment
        assert again.source.began == {(topic, 0): 4, (topic, 1): 5}

    def test_a_commit_of_a_foreign_partition_is_left_out(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(1)
        produce(broker, topic, 5, partitions=1)
        mine = reader(topic, group)
        mine.read(5)
        assert mine.source.commit_sync({(topic, 7): 5, ("another", 0): 5}) == []
        mine.source.commit({("another", 0): 5})
        assert mine.source.commit_sync({(topic, 0): 5}) == []
        assert mine.events("commit_failed") == []

    def test_a_new_group_starts_at_the_beginning(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(2)
        produce(broker, topic, 10, partitions=2)
        assert sorted(reader(topic, group, EARLIEST).read(10)) == list(range(10))

    def test_a_new_group_starts_at_the_end(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(2)
        produce(broker, topic, 10, partitions=2)
        mine = reader(topic, group, LATEST).joined(2)
        produce(broker, topic, 10, first=10, partitions=2)
        assert sorted(mine.read(10)) == list(range(10, 20))

    def test_a_group_that_was_stopped_before_its_first_commit_misses_nothing(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(2)
        produce(broker, topic, 10, partitions=2)
        reader(topic, group, LATEST).joined(2).source.close()
        produce(broker, topic, 10, first=10, partitions=2)
        assert sorted(reader(topic, group, LATEST).read(10)) == list(range(10, 20))

    def test_a_partition_that_was_added_later_is_read_from_its_beginning(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(4)
        produce(broker, topic, 40)
        # The group as it was when the topic had two partitions.
        before = Consumer({"bootstrap.servers": broker.address, "group.id": group})
        places = [TopicPartition(topic, n, 10, metadata="partitions=2") for n in range(2)]
        assert all(place.error is None for place in before.commit(offsets=places, asynchronous=False))
        before.close()
        mine = reader(topic, group, LATEST)
        mine.read(20)
        assert {m.partition for m in mine.messages} == {2, 3}

    def test_the_ends_are_known_and_met(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(4)
        produce(broker, topic, 9, partitions=3)
        mine = reader(topic, group, report_ends=True)
        ends = mine.source.end_offsets()
        assert ends == {(topic, 0): 3, (topic, 1): 3, (topic, 2): 3, (topic, 3): 0}
        until(lambda: all(mine.source.ends_reached.get(p, -1) >= end for p, end in ends.items()), mine.step)
        assert sorted(mine.numbers()) == list(range(9))

    def test_watermarks_give_the_lag(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(1)
        produce(broker, topic, 25, partitions=1)
        mine = reader(topic, group)
        mine.read(25)
        until(lambda: mine.source.watermarks((topic, 0)) == (0, 25), mine.step)
        assert mine.source.watermarks((topic, 3)) is None

    def test_another_process_produces_to_it(self, broker: Broker, reader: MakeReader, group: str) -> None:
        topic = broker.topic(4)
        mine = reader(topic, group, LATEST).joined(4)
        outside = subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS, broker.address, topic], check=False, timeout=60
        )
        assert outside.returncode == 0
        until(lambda: len(mine.messages) >= 20, mine.step)
        assert {m.value for m in mine.messages} == {f"from outside {n}".encode() for n in range(20)}

    def test_two_members_share_the_partitions_and_one_takes_over(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(4)
        one = reader(topic, group, commit_on_revoke=True).joined(4)
        produce(broker, topic, 100)
        one.read(100)
        one.source.pause(one.source.assignment)
        two = reader(topic, group, commit_on_revoke=True)

        def both() -> None:
            one.step()
            two.step()

        until(lambda: len(one.source.assignment) == len(two.source.assignment) == 2, both)
        assert one.source.assignment | two.source.assignment == {(topic, n) for n in range(4)}
        assert [len(partitions) for partitions in one.events("revoke") if partitions] == [2]
        assert one.source.paused == one.source.assignment
        one.source.resume(one.source.assignment)
        produce(broker, topic, 100, first=100)
        until(lambda: len(set(one.numbers() + two.numbers())) == 200, both)
        # What was committed in on_revoke is not delivered again, and nobody gets the other's messages.
        delivered = sorted(one.numbers() + two.numbers())
        assert (delivered if not one.refused else sorted(set(delivered))) == list(range(200))
        two.source.close()
        until(lambda: len(one.source.assignment) == 4, one.step)
        # Partitions that come back are not paused, whatever they were when they went.
        produce(broker, topic, 100, first=200)
        until(lambda: len(set(one.numbers() + two.numbers())) == 300, one.step)

    def test_it_belongs_to_one_thread(self, broker: Broker, reader: MakeReader, group: str) -> None:
        mine = reader(broker.topic(1), group).joined(1)
        refused: list[str] = []

        def elsewhere() -> None:
            for call in (lambda: mine.source.poll(1, 0), lambda: mine.source.commit({}), mine.source.close):
                with pytest.raises(UsageError, match="another thread"):
                    call()
                refused.append("yes")

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(refused) == 3

    def test_a_closed_source_says_so(self, broker: Broker, reader: MakeReader, group: str) -> None:
        mine = reader(broker.topic(1), group).joined(1)
        mine.source.close()
        mine.source.close()
        with pytest.raises(UsageError, match="closed"):
            mine.source.poll(1, 0)

    def test_topics_are_checked_before_the_start(self, broker: Broker) -> None:
        topic = broker.topic(3)
        settings = {**broker.settings, "group.id": "check"}
        assert check_topics(settings, [topic]) == {topic: 3}
        assert check_topics(settings, [f"^{topic[:-1]}.$"]) == {topic: 3}
        with pytest.raises(BrokerError, match=r"no topic 'nowhere', '\^never'.*create it"):
            check_topics(settings, [topic, "nowhere", "^never"])

    def test_settings_of_the_user_reach_the_client(
        self, broker: Broker, reader: MakeReader, group: str
    ) -> None:
        topic = broker.topic(4)
        mine = reader(topic, group, **{"partition.assignment.strategy": "range"}).joined(4)
        produce(broker, topic, 20)
        assert sorted(mine.read(20)) == list(range(20))
        assert json.dumps(broker.settings)  # plain values only, as they come from YAML
