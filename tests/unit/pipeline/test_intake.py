"""The polling thread's rounds, one by one: pressure, commits, rebalances, stop."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.intake_world import World, a_run, the_rules
from tests.unit.pipeline.scripted_source import P0, P1, an_event

from automation_consumer.model.match import Match
from automation_consumer.pipeline.intake import COMMIT_EVERY_S
from automation_consumer.pipeline.ruleset import Ruleset


@pytest.fixture
def rules(tmp_path) -> Ruleset:
    return the_rules(tmp_path)


def test_what_matches_is_handed_over_and_what_does_not_is_finished_at_once(rules):
    world = World(rules)
    world.source.put(an_event("calm", "ok"))
    world.source.put(an_event("hot"))
    world.round()
    [work] = world.works
    assert work.incident.id == "hot"
    assert [match.condition for match in work.matches] == ["critical"]
    assert isinstance(work.matches[0], Match)
    assert world.tally.incidents == 2
    assert world.source.commits == [{P0: 1}]  # past the calm one, not past the hot one


def test_an_incident_that_the_journal_knows_is_handed_over_without_a_match(rules):
    world = World(rules)
    asyncio.run(world.journal.open(a_run("calm")))
    world.source.put(an_event("calm", "ok"))
    world.round()
    [work] = world.works
    assert work.matches == ()
    assert world.source.commits == [{P0: 0}]


def test_only_the_gap_free_run_is_committed(rules):
    world = World(rules)
    for name in "abc":
        world.source.put(an_event(name))
    world.round()
    world.finish("b", "c")
    world.round()
    assert world.source.commits[-1] == {P0: 0}
    world.finish("a")
    world.round()
    assert world.source.commits[-1] == {P0: 3}


def test_nothing_is_committed_twice_nor_more_often_than_needed(rules):
    world = World(rules)
    for name in "abc":
        world.source.put(an_event(name))
    world.round(later_s=0)
    world.finish("a", "b", "c")
    for _ in range(5):
        world.round(later_s=COMMIT_EVERY_S / 10)
    assert world.source.commits == []
    for _ in range(5):
        world.round()
    assert world.source.commits == [{P0: 3}]
    assert world.tally.last_commit_at is not None


def test_a_commit_that_the_broker_refused_is_due_again(rules):
    world = World(rules, P0, P1)
    world.source.put(an_event("a"), P0)
    world.source.put(an_event("b"), P1)
    world.round(later_s=0)
    world.finish("a", "b")
    world.round()
    assert world.source.commits == [{P0: 1, P1: 1}]
    world.intake.commit_failed([P1])
    world.round()
    assert world.source.commits[1:] == [{P1: 1}]


def test_full_means_paused_and_room_means_resumed(rules):
    world = World(rules, max_in_flight=4)
    for number in range(10):
        world.source.put(an_event(f"i{number}"))
    world.round()
    assert len(world.works) == 4
    world.round()
    assert world.intake.paused
    assert len(world.works) == 4
    world.finish("i0")
    world.round()
    assert world.intake.paused  # so that it does not flap
    assert len(world.works) == 4
    world.finish("i1", "i2")
    world.round()
    assert not world.intake.paused
    assert len(world.works) == 7
    assert world.intake.in_flight == 4


def test_nothing_is_lost_under_pressure(rules):
    world = World(rules, P0, P1, max_in_flight=3)
    names = [f"i{number}" for number in range(50)]
    for number, name in enumerate(names):
        world.source.put(an_event(name), (P0, P1)[number % 2])
    for _ in range(200):
        world.round()
        assert world.intake.in_flight <= 3
        for work in world.works[-3:]:
            world.intake.finish(work.taken)
    assert sorted(work.incident.id for work in world.works) == sorted(names)
    assert world.source.commits[-1].items() <= {P0: 25, P1: 25}.items()


def test_a_partition_that_comes_while_all_is_paused_is_paused_too(rules):
    world = World(rules, max_in_flight=1)
    world.source.put(an_event("a"))
    world.source.put(an_event("b"))
    world.round()
    world.round()
    assert world.intake.paused
    world.source.add(P1)
    world.source.put(an_event("c"), P1)
    world.intake.assigned([P1])
    world.round()
    assert world.source.paused == {P0, P1}
    assert len(world.works) == 1


def test_a_revoked_partition_is_committed_at_once_and_forgotten(rules):
    world = World(rules, P0, P1)
    for partition in (P0, P1):
        world.source.put(an_event(f"x{partition[1]}"), partition)
        world.source.put(an_event(f"y{partition[1]}"), partition)
    world.round(later_s=0)
    world.finish("x0", "x1")
    world.intake.revoked([P0])
    assert world.source.sync_commits == [{P0: 1}]
    world.finish("y0", "y1")
    world.round()
    assert world.source.commits == [{P1: 2}]


def test_a_lost_partition_is_not_committed(rules):
    world = World(rules)
    world.source.put(an_event("a"))
    world.round(later_s=0)
    world.finish("a")
    world.intake.lost([P0])
    world.round()
    assert (world.source.commits, world.source.sync_commits) == ([], [])


def test_work_of_an_earlier_assignment_finishes_nothing_of_the_next(rules):
    world = World(rules)
    message = world.source.put(an_event("a"))
    world.round(later_s=0)
    world.intake.revoked([P0])
    world.intake.assigned([P0])
    world.source._queues[P0].append(message)  # it comes again: it was never committed
    world.round(later_s=0)
    old, new = world.works
    world.intake.finish(old.taken)
    world.round()
    assert world.source.commits == [{P0: 0}]
    world.intake.finish(new.taken)
    world.round()
    assert world.source.commits[-1] == {P0: 1}


@pytest.mark.parametrize("value", [b"{", b"[]", None, b"\xff\xfe", b'{"id": 1e999}'])
def test_poison_is_buried_and_holds_its_offset_until_it_is(rules, value):
    world = World(rules)
    world.source.put(value)
    world.source.put(an_event("calm", "ok"))
    world.round()
    if value is None and not world.buried:
        assert world.source.commits == [{P0: 2}]
        return
    [(taken, poison)] = world.buried
    assert poison.reason
    assert world.tally.dead_letters == 1
    assert world.source.commits == [{P0: 0}]
    world.intake.finish(taken)
    world.round()
    assert world.source.commits[-1] == {P0: 2}


def test_after_stop_taking_nothing_new_is_taken_and_commits_go_on(rules):
    world = World(rules)
    world.source.put(an_event("a"))
    world.round(later_s=0)
    world.source.put(an_event("b"))
    world.intake.stop_taking()
    world.finish("a")
    for _ in range(3):
        world.round()
    assert len(world.works) == 1
    assert world.source.commits == [{P0: 1}]


def test_finish_up_commits_what_is_finished_and_leaves(rules):
    world = World(rules)
    for name in "ab":
        world.source.put(an_event(name))
    world.round(later_s=0)
    world.finish("a")
    world.intake.finish_up(world.source)
    assert world.source.sync_commits == [{P0: 1}]
    assert world.source.closed


def test_caught_up_when_all_of_the_start_is_delivered_and_finished(rules):
    world = World(rules, P0, P1)
    world.source.put(an_event("a"))
    assert not world.intake.caught_up(world.source)
    world.round()
    assert not world.intake.caught_up(world.source)
    world.finish("a")
    assert world.intake.caught_up(world.source)


# --- commits are confirmed -------------------------------------------------------------------------------------------


def test_the_journal_hears_of_a_commit_only_when_the_broker_has_confirmed_it(rules):
    """Red when the journal is told as soon as a commit is sent: what is not committed would be forgotten."""
    world = World(rules)
    message = world.source.put(an_event("a"))
    asyncio.run(world.journal.open(a_run("a"), message))
    world.round(later_s=0)
    world.journal.finished(message)
    world.finish("a")
    world.round()
    assert world.source.commits == [{P0: 1}]
    assert world.journal.remembered([P0]) == {P0: {(0, 0)}}
    world.intake.committed({P0: 1})
    assert world.journal.remembered([P0]) == {P0: frozenset()}


def test_a_revoke_commits_what_is_sent_and_not_confirmed(rules):
    """Red when a revoke trusts a commit that has not been answered."""
    world = World(rules)
    world.source.put(an_event("a"))
    world.round(later_s=0)
    world.finish("a")
    world.round()
    assert world.source.commits == [{P0: 1}]
    world.intake.revoked([P0])
    assert world.source.sync_commits == [{P0: 1}]


def test_a_confirmed_commit_is_not_sent_again_by_a_revoke_or_at_the_end(rules):
    world = World(rules)
    world.source.put(an_event("calm", "ok"))
    world.round()
    world.intake.committed({P0: 1})
    world.intake.revoked([P0])
    world.intake.finish_up(world.source)
    assert (world.source.commits, world.source.sync_commits) == ([{P0: 1}], [])


def test_a_synchronous_commit_that_fails_is_counted_and_not_told_to_the_journal(rules):
    """Red when the answer of `commit_sync` is not looked at: what was finished would be forgotten."""
    world = World(rules)
    message = world.source.put(an_event("a"))
    asyncio.run(world.journal.open(a_run("a"), message))
    world.round(later_s=0)
    world.journal.finished(message)
    world.finish("a")
    world.source.refused = {P0}
    world.intake.revoked([P0])
    assert world.source.sync_commits == [{P0: 1}]
    assert world.gauge("automation_commit_failures_total") == 1
    assert world.journal.remembered([P0]) == {P0: {(0, 0)}}


# --- what was finished before ----------------------------------------------------------------------------------------


def test_what_the_journal_remembers_is_skipped_at_once(rules):
    """Red when `assigned` does not ask the journal."""
    world = World(rules)
    for name in "abc":
        world.source.put(an_event(name))
    for number, name in ((1, "b"), (2, "c")):
        message = world.source._queues[P0][number]
        asyncio.run(world.journal.open(a_run(name, number), message))
        world.journal.finished(message)
    world.intake.revoked([P0])
    world.intake.assigned([P0])
    world.round()
    assert world.incidents == ["a"]
    assert world.gauge("automation_messages_total", result="remembered") == 2
    world.finish("a")
    world.round()
    assert world.source.commits[-1] == {P0: 3}


# --- parking ---------------------------------------------------------------------------------------------------------


def test_a_parked_message_holds_neither_its_offset_nor_room(rules):
    """Red when `park` does nothing."""
    world = World(rules, max_in_flight=1)
    for name in "ab":
        world.source.put(an_event(name))
    world.round()
    [work] = world.works
    world.intake.park(work.taken)
    world.round()
    assert world.source.commits[-1] == {P0: 1}
    assert world.incidents == ["a", "b"]
    assert world.intake.is_current(work.taken)
    world.intake.finish(work.taken)
    world.finish("b")
    world.round()
    assert world.source.commits[-1] == {P0: 2}
    assert world.intake.in_flight == 0


def test_a_parked_message_is_still_in_hand(rules):
    """Red when `park` forgets the incident: its end would be overlooked."""
    world = World(rules)
    world.source.put(an_event("a"))
    world.round()
    world.intake.park(world.works[0].taken)
    world.source.put(an_event("a", "ok"))
    world.round()
    assert world.incidents == ["a", "a"]
    world.finish("a")
    world.round()
    world.source.put(an_event("a", "ok"))
    world.round()
    assert world.incidents == ["a", "a"]


def test_whether_an_assignment_still_stands(rules):
    world = World(rules, P0, P1)
    world.source.put(an_event("a"))
    world.round()
    [work] = world.works
    world.intake.revoked([P1])
    assert world.intake.is_current(work.taken)
    world.intake.lost([P0])
    assert not world.intake.is_current(work.taken)
    world.intake.assigned([P0])
    assert not world.intake.is_current(work.taken)


def test_a_log_that_goes_back_is_taken_anew(rules):
    world = World(rules)
    for name in "abc":
        world.source.put(an_event(name))
    world.round()
    world.source._next[P0] = 1
    world.source.put(an_event("new"))
    world.round()
    world.finish("b", "c")
    world.round()
    assert world.source.commits[-1] == {P0: 0}
    world.finish("a")
    world.round()
    assert world.source.commits[-1] == {P0: 1}
    world.finish("new")
    world.round()
    assert world.source.commits[-1] == {P0: 2}
