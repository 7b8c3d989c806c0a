"""Rebalances on a real Kafka: what one member has finished is never lost, and what it lost it never commits."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from tests.conftest import MakeTopic
from tests.integration.member_parts import Member
from tests.unit.pipeline.scripted_source import an_event
from tests.unit.sources.kafka.suite import until

from automation_consumer.errors import UsageError

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
CLASSIC: dict[str, Any] = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
PROTOCOLS = {"cooperative-sticky": CLASSIC, "kip-848": {"group.protocol": "consumer"}}
MakeMember = Callable[..., Member]


@pytest.fixture
def group() -> str:
    return f"g-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def member(kafka: str, group: str, tmp_path: Path) -> Iterator[MakeMember]:
    """Makes members of one group. Those that are still there at the end leave it."""
    with ExitStack() as stack:

        def make(topic: str, *, exclusive: bool = False, **settings: Any) -> Member:
            whole = {"bootstrap.servers": kafka, "group.id": group, **(settings or CLASSIC)}
            made = Member(tmp_path, whole, topic, exclusive=exclusive)
            stack.callback(made.source.close)
            return made

        yield make


class Process:
    """A member in a process of its own."""

    def __init__(
        self, kafka: str, group: str, topic: str, *, exclusive: bool = False, **settings: Any
    ) -> None:
        whole = {"bootstrap.servers": kafka, "group.id": group, **(settings or CLASSIC)}
        asked = {"settings": whole, "topic": topic, "exclusive": exclusive}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.member", json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def tells(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until it tells something like that."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if wanted(told):
                return told
        raise AssertionError("it ended")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Let it leave the group."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(30)


@pytest.fixture
def process(kafka: str, group: str) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def make(topic: str, **rest: Any) -> Process:
        made.append(Process(kafka, group, topic, **rest))
        return made[-1]

    yield make
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
        each.end()


def publish(kafka: str, topic: str, counts: dict[int, int]) -> None:
    """So many incidents on each partition."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 1})
    for partition, count in counts.items():
        for number in range(count):
            producer.produce(topic, an_event(f"i{partition}-{number}"), partition=partition)
    assert producer.flush(30) == 0
    producer.close()


def committed(kafka: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    """What the broker has."""
    reader = Consumer({"bootstrap.servers": kafka, "group.id": group})
    try:
        places = reader.committed([TopicPartition(topic, n) for n in range(partitions)], timeout=10)
    finally:
        reader.close()
    return {place.partition: place.offset for place in places if place.offset >= 0}


def together(*members: Member) -> Callable[[], None]:
    def step() -> None:
        for each in members:
            each.step()

    return step


def gone(member: Member) -> set[int]:
    """The partitions that it does not have any more, or has anew."""
    return {number for what, numbers in member.told if what != "assigned" for number in numbers}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_revoke_gives_away_what_is_finished_and_keeps_the_others_progress(
    kafka: str, topic: MakeTopic, group: str, member: MakeMember, protocol: str
) -> None:
    """Red when a revoke does not commit (the newcomer would get 0 to 2 again), or forgets partitions that stay."""
    name = topic(4)
    publish(kafka, name, dict.fromkeys(range(4), 6))
    one = member(name, **PROTOCOLS[protocol])
    until(lambda: len(one.works) == 24, one.step)
    # 0 to 2 and 4 are finished; 3 and 5 are not.
    one.finish((partition, offset) for partition in range(4) for offset in (0, 1, 2, 4))
    two = member(name, **PROTOCOLS[protocol])
    until(lambda: len(one.mine) == len(two.mine) == 2 and len(two.works) >= 6, together(one, two))
    assert sorted(two.took) == [(partition, offset) for partition in sorted(two.mine) for offset in (3, 4, 5)]
    kept = sorted(one.mine)
    assert len(one.works) == 24  # nothing of what stayed came again
    one.finish((partition, offset) for partition in kept for offset in (3, 5))
    until(lambda: all(one.landed.get((name, number)) == 6 for number in kept), together(one, two))
    two.finish_all()
    until(lambda: all(two.landed.get((name, number)) == 6 for number in two.mine), together(one, two))
    assert committed(kafka, group, name, 4) == dict.fromkeys(range(4), 6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_work_that_ends_after_its_partition_has_gone_commits_nothing(
    kafka: str, topic: MakeTopic, group: str, member: MakeMember, protocol: str
) -> None:
    """Red when `finish` ignores the epoch or `commit` takes foreign partitions: the newcomer's place would be overwritten."""
    name = topic(2)
    publish(kafka, name, {0: 3, 1: 3})
    one = member(name, **PROTOCOLS[protocol])
    until(lambda: len(one.works) == 6, one.step)
    two = member(name, **PROTOCOLS[protocol])
    until(lambda: len(one.mine) == len(two.mine) == 1 and len(two.works) >= 3, together(one, two))
    [gone], [kept] = two.mine, one.mine
    assert not any(one.intake.is_current(w.taken) for w in one.works if w.taken.message.partition == gone)
    one.finish_all()
    until(lambda: one.landed.get((name, kept)) == 3, together(one, two))
    assert one.source.commit_sync({(name, gone): 3}) == []
    assert committed(kafka, group, name, 2)[gone] == 0
    assert one.intake.in_flight == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_member_that_polls_too_late_loses_its_partitions_and_its_commit_never_lands(
    kafka: str, topic: MakeTopic, group: str, member: MakeMember, protocol: str
) -> None:
    """Red when `on_lost` keeps the offsets, or a refused commit counts as done."""
    name = topic(2)
    publish(kafka, name, {0: 3, 1: 3})
    late = {**PROTOCOLS[protocol], "max.poll.interval.ms": 6000}
    one = member(name, **late)
    until(lambda: len(one.works) == 6, one.step)
    two = member(name, **PROTOCOLS[protocol])
    # It is not polled any more; that the other has all says that the group has given up on it.
    until(lambda: two.mine == {0, 1} and len(two.works) >= 6, two.step)
    one.finish_all()
    one.source.commit({(name, 0): 3, (name, 1): 3})
    assert one.source.commit_sync({(name, 0): 3}) == [(name, 0)]
    # One of them was to be revoked for the other's joining, the rest is lost; neither may be committed.
    until(lambda: gone(one) == {0, 1}, together(one, two))
    assert "lost" in [what for what, _ in one.told]
    until(lambda: len(one.failed) >= 2, together(one, two))
    assert not any(one.intake.is_current(work.taken) for work in one.works)
    assert sorted(two.took)[:6] == [(partition, offset) for partition in (0, 1) for offset in range(3)]
    assert committed(kafka, group, name, 2) == {0: 0, 1: 0}
    # It comes back, gets some again, and what it finishes now counts.
    until(lambda: len(one.mine) == len(two.mine) == 1, together(one, two))
    until(lambda: len(one.works) >= 9, together(one, two))
    one.finish_all()
    two.finish_all()
    until(
        lambda: committed(kafka, group, name, 2) == {0: 3, 1: 3},
        together(one, two),
    )


def test_a_static_member_that_was_killed_comes_back_without_a_rebalance(
    kafka: str, topic: MakeTopic, group: str, member: MakeMember, process: Callable[..., Process]
) -> None:
    """Red when `group.instance.id` does not reach the client: the others would stop and share anew."""
    name = topic(2)
    publish(kafka, name, {0: 2, 1: 2})
    static = {"session.timeout.ms": 30_000, "heartbeat.interval.ms": 500}
    one = member(name, **static, **{"group.instance.id": "pod-0"})
    until(lambda: len(one.mine) == 2, one.step)
    settings = {**static, "group.instance.id": "pod-1"}
    two = process(name, **settings)
    until(lambda: len(one.mine) == 1, one.step)
    [mine] = one.mine
    two.tells(lambda told: told["partitions"] == [1 - mine] and told["took"] == 2)
    until(lambda: committed(kafka, group, name, 2).get(1 - mine) == 2, one.step)
    two.kill()
    before = list(one.told)
    publish(kafka, name, {0: 1, 1: 1})
    again = process(name, **settings)
    # Only what is new: the finished ones were committed before the kill.
    told = again.tells(lambda told: told["took"] > 0)
    assert told == {"partitions": [1 - mine], "took": 1}
    until(lambda: (mine, 2) in one.took, one.step)
    assert one.told == before


# --- one process per group -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_second_process_with_a_journal_of_its_own_is_refused(
    kafka: str, topic: MakeTopic, member: MakeMember, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Red when `exclusive` is not looked at: both would work, each with half of the journal."""
    name = topic(4)
    one = member(name, exclusive=True, **PROTOCOLS[protocol])
    publish(kafka, name, dict.fromkeys(range(4), 2))
    until(lambda: len(one.works) == 8, one.step)
    two = member(name, exclusive=True, **PROTOCOLS[protocol])
    two.source.session_timeout_s = 3.0  # the broker's 45 s would be a long test
    with pytest.raises(UsageError, match=r"another member of the consumer group .*postgresql://"):
        until(lambda: False, together(one, two))
    assert two.works == []
    assert one.intake.held == ("sole-member",)
    publish(kafka, name, dict.fromkeys(range(4), 1))
    one.finish_all()
    until(lambda: {(partition, 2) for partition in range(4)} <= set(one.took), one.step)
    assert one.intake.held == ()


@pytest.mark.parametrize("protocol", ["cooperative-sticky"])
def test_the_ghost_of_a_killed_process_is_waited_for(
    kafka: str, topic: MakeTopic, member: MakeMember, process: Callable[..., Process], protocol: str
) -> None:
    """Red when a start is refused before the dead one's session has timed out."""
    name = topic(4)
    ghost = process(name, exclusive=True, **PROTOCOLS[protocol])
    ghost.tells(lambda told: told.get("partitions") == [0, 1, 2, 3])
    ghost.kill()
    publish(kafka, name, dict.fromkeys(range(4), 1))
    one = member(name, exclusive=True, **PROTOCOLS[protocol])
    until(lambda: len(one.works) == 4, one.step)


def test_a_topic_that_grows_is_read_on_and_nobody_is_suspected(
    kafka: str, topic: MakeTopic, member: MakeMember, caplog: pytest.LogCaptureFixture
) -> None:
    """Red when partitions that nobody has yet are taken for another member's."""
    name = topic(2)
    one = member(name, exclusive=True, **CLASSIC, **{"topic.metadata.refresh.interval.ms": 500})
    until(lambda: one.mine == {0, 1}, one.step)
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_partitions([NewPartitions(name, 4)]).values():
        made.result(20)
    until(lambda: one.mine == {0, 1, 2, 3}, one.step)
    publish(kafka, name, dict.fromkeys(range(4), 1))
    until(lambda: len(one.works) == 4, one.step)
    assert not [
        record for record in caplog.records if "sole_member" in getattr(record, "fields", {}).get("event", "")
    ]
