"""When the intake takes nothing, or not from every partition: holds, the journal, poison, fair shares; and the lag."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pipeline.intake_world import World, a_run, the_rules
from tests.unit.pipeline.scripted_source import P0, P1, ScriptedSource, an_event

from automation_consumer.errors import UsageError
from automation_consumer.pipeline.commit import Offsets
from automation_consumer.pipeline.lag import EVERY_S
from automation_consumer.pipeline.poison_guard import PoisonGuard, PoisonLimits
from automation_consumer.pipeline.pressure import Pressure
from automation_consumer.pipeline.ruleset import Ruleset

P2, P3 = ("incidents", 2), ("incidents", 3)


@pytest.fixture
def rules(tmp_path) -> Ruleset:
    return the_rules(tmp_path)


# --- holds -----------------------------------------------------------------------------------------------------------


def test_while_held_nothing_is_taken_and_commits_go_on(rules):
    """Red when `hold` does not pause, or one reason's end lifts another's."""
    world = World(rules)
    world.source.put(an_event("a"))
    world.round(later_s=0)
    world.intake.hold("operator", True)
    world.intake.hold("maintenance", True)
    world.source.put(an_event("b"))
    world.finish("a")
    world.round()
    assert world.incidents == ["a"]
    assert world.source.commits == [{P0: 1}]
    assert world.intake.held == ("maintenance", "operator")
    assert world.gauge("automation_intake_held") == 2
    world.intake.hold("operator", False)
    world.round()
    assert world.incidents == ["a"]
    world.intake.hold("maintenance", False)
    world.round()
    assert world.incidents == ["a", "b"]
    assert world.intake.held == ()


def test_a_partition_that_comes_while_held_is_paused_before_it_delivers(rules):
    """Red when only the next round pauses it: the poll that assigned it may bring messages."""
    world = World(rules)
    world.intake.hold("operator", True)
    world.round()
    world.source.add(P1)
    world.intake.assigned([P1])
    assert world.source.paused == {P0, P1}


def test_while_the_journal_is_away_nothing_is_taken(rules):
    """Red when the round does not look at `Journal.available`."""
    world = World(rules)
    world.journal.go_away()
    world.source.put(an_event("a"))
    world.round()
    assert (world.incidents, world.intake.held) == ([], ("journal",))
    world.journal.come_back()
    world.round()
    assert (world.incidents, world.intake.held) == (["a"], ())


def test_partitions_that_come_while_the_journal_is_away_are_recalled_when_it_is_back(rules):
    """Red when `assigned` asks a journal that does not answer (it would block), or never asks again."""
    world = World(rules)
    message = world.source.put(an_event("a"))
    asyncio.run(world.journal.open(a_run("a"), message))
    world.journal.finished(message)
    world.intake.revoked([P0])
    world.journal.go_away()
    world.intake.assigned([P0])
    world.round()
    world.journal.come_back()
    world.round()
    assert world.incidents == []
    assert world.source.commits[-1] == {P0: 1}


# --- poison ----------------------------------------------------------------------------------------------------------


def test_a_flood_of_poison_stops_the_intake_until_it_is_released(rules):
    """Red when the guard is not asked after a batch, or a release does not reset it."""
    told = []
    guard = PoisonGuard(PoisonLimits(run_length=3))
    world = World(rules, guard=guard, on_tripped=told.append)
    for _ in range(5):
        world.source.put(b"{")
    world.round()
    assert world.intake.held == ("poison",)
    assert len(world.buried) == 5  # what was delivered already
    assert len(told) == 1
    world.source.put(an_event("a"))
    world.round()
    assert world.incidents == []
    world.intake.release_poison()
    world.round()
    assert world.incidents == ["a"]
    assert world.intake.held == ()
    assert len(told) == 1


def test_good_messages_between_poison_are_told_in_order(rules):
    """Red when a batch's good messages are told after its poison."""
    world = World(rules, guard=PoisonGuard(PoisonLimits(run_length=3, ratio=0)))
    for value in (b"{", b"{", an_event("calm", "ok"), b"{", b"{", an_event("a"), b"{", b"{"):
        world.source.put(value)
    world.round()
    assert world.intake.held == ()
    world.source.put(b"{")
    world.round()
    assert world.intake.held == ("poison",)


# --- fair shares -----------------------------------------------------------------------------------------------------


def test_a_noisy_partition_is_paused_alone(rules):
    """Red when one number bounds all partitions together: the quiet ones would wait for the noisy one."""
    world = World(rules, P0, P1, P2, P3, max_in_flight=40)
    for number in range(100):
        world.source.put(an_event(f"noisy{number}"), P0)
    for _ in range(20):
        world.round()
    assert world.intake.in_flight == 10
    assert world.source.paused == {P0}
    assert world.intake.paused
    for partition in (P1, P2, P3):
        world.source.put(an_event(f"quiet{partition[1]}"), partition)
    world.round()
    assert world.incidents[10:] == ["quiet1", "quiet2", "quiet3"]
    world.finish(*(f"noisy{number}" for number in range(2)))
    world.round()
    assert world.source.paused == {P0}  # so that it does not flap
    world.finish(*(f"noisy{number}" for number in range(3)))
    world.round()
    assert world.source.paused == set()


def test_messages_of_partitions_that_have_gone_are_memory_all_the_same(rules):
    """Red when only the current assignment's messages are counted."""
    world = World(rules, P0, max_in_flight=4)
    for number in range(4):
        world.source.put(an_event(f"i{number}"))
    world.round()
    world.intake.revoked([P0])
    world.source.drop(P0)
    world.source.add(P1)
    world.intake.assigned([P1])
    world.source.put(an_event("other"), P1)
    world.round()
    assert world.intake.in_flight == 4
    assert "other" not in world.incidents
    world.finish("i0")
    world.round()
    assert world.incidents[-1] == "other"


@given(
    max_in_flight=st.integers(1, 60),
    shares=st.lists(st.integers(0, 80), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20)), max_size=40),
)
def test_never_more_than_the_limit_and_a_partition_below_its_share_is_never_starved(
    max_in_flight, shares, steps
):
    """Red when a batch may be larger than the room that is left."""
    partitions = [("incidents", number) for number in range(len(shares))]
    source, offsets = ScriptedSource(*partitions), Offsets()
    offsets.assign(partitions)
    pressure = Pressure(max_in_flight)
    for partition, count in zip(partitions, shares, strict=True):
        for _ in range(count):
            source.put(b"", partition)
    taken = {partition: [] for partition in partitions}
    for which, done in steps:
        batch = pressure.keep(source, offsets, offsets.unfinished, closed=False)
        if source.assignment - source.paused:
            for message in source.poll(batch, 0):
                partition = (message.topic, message.partition)
                offsets.progress(partition).take(message.offset)
                taken[partition].append(message.offset)
        assert offsets.unfinished <= max_in_flight
        share = max(1, max_in_flight // len(partitions))
        if len(partitions) <= max_in_flight:
            assert all(offsets.unfinished_of(each) <= share for each in partitions)
        partition = partitions[which % len(partitions)]
        for _ in range(min(done, len(taken[partition]))):
            offsets.finish(partition, offsets.epoch(partition), taken[partition].pop(0))
    pressure.keep(source, offsets, offsets.unfinished, closed=False)
    if len(partitions) <= max_in_flight:
        share = max_in_flight // len(partitions)
        idle = {each for each in partitions if offsets.unfinished_of(each) < share * 0.75}
        assert not idle & pressure.paused


# --- lag -------------------------------------------------------------------------------------------------------------


def test_lag_is_told_as_kafka_sees_it_and_as_it_is(rules):
    """Red when an unconfirmed commit counts, or what is finished out of order does not."""
    world = World(rules, P0, P1, max_in_flight=6)
    for name in "abcde":
        world.source.put(an_event(name))
    world.round()
    assert lag(world) == (5, 5)
    world.finish("b", "c")
    world.round(later_s=EVERY_S)
    assert lag(world) == (5, 3)  # two that are delivered, and what is not delivered yet
    world.finish("a")
    world.round(later_s=EVERY_S)
    world.round(later_s=EVERY_S)
    assert lag(world)[0] == 5
    world.intake.committed({P0: 3})
    world.round(later_s=EVERY_S)
    assert lag(world) == (2, 2)
    assert lag(world, "1") == (0, 0)


def test_a_partition_that_has_gone_has_no_lag_of_ours(rules):
    """Red when `_forget` leaves the series."""
    world = World(rules, P0, P1)
    world.source.put(an_event("a"))
    world.round()
    world.intake.revoked([P0])
    world.source.drop(P0)
    world.round(later_s=EVERY_S)
    assert lag(world) == (None, None)
    assert lag(world, "1") == (0, 0)


def lag(world: World, partition: str = "0") -> tuple[float | None, float | None]:
    labels = {"topic": "incidents", "partition": partition}
    return world.gauge("automation_kafka_lag", **labels), world.gauge("automation_unfinished", **labels)


# --- one process per group -------------------------------------------------------------------------------------------


def test_alone_means_all_partitions(rules):
    world = World(rules, P0, P1, exclusive=True)
    assert world.source.paused == {P0, P1}
    world.source.put(an_event("a"))
    world.round()
    assert (world.incidents, world.intake.held) == (["a"], ())


def test_beside_another_member_nothing_is_taken_and_then_the_start_is_refused(rules):
    """Red when `exclusive` is not looked at, or the wait has no end."""
    world = World(rules, exclusive=True)
    world.source.elsewhere = {P1}
    world.source.put(an_event("a"))
    for _ in range(15):
        world.round(later_s=1)
        assert (world.incidents, world.intake.held) == ([], ("sole-member",))
    with pytest.raises(UsageError, match=r"another member of the consumer group 'pods'.*postgresql://"):
        world.round(later_s=1)
    assert world.source.closed  # so that the other goes on at once


def test_a_member_that_was_killed_is_waited_for(rules):
    """Red when the refusal does not wait for the session timeout."""
    world = World(rules, exclusive=True)
    world.source.elsewhere = {P1}
    world.source.put(an_event("a"))
    for _ in range(12):
        world.round(later_s=1)
    world.source.elsewhere = set()
    world.source.add(P1)
    world.intake.assigned([P1])
    world.round()
    assert world.incidents == ["a"]


def test_a_broker_that_does_not_answer_proves_nothing(rules):
    """Red when silence counts as time in which the other should have gone."""
    world = World(rules, exclusive=True)
    world.source.elsewhere = {P1}
    world.round(later_s=1)
    world.source.silent = True
    for _ in range(60):
        world.round(later_s=1)
    world.source.silent = False
    for _ in range(15):
        world.round(later_s=1)
    assert world.intake.held == ("sole-member",)


def test_whoever_had_all_holds_until_the_newcomer_has_gone(rules, caplog):
    """Red when a loss of partitions is not noticed, or ends the one that was there first."""
    world = World(rules, P0, P1, exclusive=True)
    world.round()
    world.intake.revoked([P1])
    world.source.drop(P1)
    world.source.put(an_event("a"))
    for _ in range(60):
        world.round(later_s=1)
    assert (world.incidents, world.intake.held) == ([], ("sole-member",))
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "'pods'" in errors[0].getMessage()
    world.source.elsewhere = set()
    world.source.add(P1)
    world.intake.assigned([P1])
    world.round()
    assert world.incidents == ["a"]


def test_a_topic_that_grows_is_no_newcomer(rules, caplog):
    """Red when a new partition is an alarm at once: it is ours a moment after the topic has it."""
    world = World(rules, exclusive=True)
    world.round()
    world.source.elsewhere = {P1}  # it is there, and nobody has it yet
    for _ in range(30):
        world.round(later_s=1)
    assert world.intake.held == ()
    world.intake.assigned([])  # the first half of the rebalance
    for _ in range(3):
        world.round(later_s=1)
    assert world.intake.held == ("sole-member",)
    world.source.elsewhere = set()
    world.source.add(P1)
    world.intake.assigned([P1])
    world.round()
    assert world.intake.held == ()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
