"""Messages in hand, finished and kept."""

from __future__ import annotations

import asyncio

from tests.contract.journal.samples import a_message, a_run

from automation_consumer.model.run import RunStatus

HERE = ("incidents", 0)


async def test_a_message_is_there_for_its_runs_byte_for_byte(store):
    journal = store.open()
    message = a_message(value=None, key=None)
    run = await journal.open(a_run(), message)
    assert await journal.message_of(run) == message
    again = a_message(8)
    other = await journal.open(a_run("r2", offset=8), again)
    assert await journal.message_of(other) == again
    assert await journal.message_of(a_run("r3", offset=9)) is None


async def test_two_messages_of_one_place_are_told_apart_by_their_time(store):
    """A topic that was deleted and made anew. Red when a message is found by its offset alone."""
    journal = store.open()
    old = await journal.open(a_run("old"), a_message(value=b"old", timestamp_ms=1))
    new = await journal.open(a_run("new"), a_message(value=b"new", timestamp_ms=2))
    assert (await journal.message_of(old)).value == b"old"
    assert (await journal.message_of(new)).value == b"new"


async def test_what_a_process_leaves_behind_is_taken_over_once_and_oldest_first(store):
    """Red when `orphans` does not make them ours."""
    journal = store.open()
    for offset in (9, 7, 8):
        await journal.open(a_run(f"r{offset}", offset=offset), a_message(offset, timestamp_ms=offset))
    journal.finished(a_message(8, timestamp_ms=8))
    assert await journal.orphans(10) == []
    store.end(journal)
    journal = store.open()
    assert [message.offset for message in await journal.orphans(1)] == [7]
    assert await journal.orphans(10) == [a_message(9, timestamp_ms=9)]
    assert await journal.orphans(10) == []


async def test_finished_messages_are_remembered_until_their_offset_is_committed(store):
    """Red when `committed` forgets too much or `finished` too early."""
    journal = store.open()
    for offset in (7, 8, 9):
        await journal.open(a_run(f"r{offset}", offset=offset), a_message(offset))
    journal.finished(a_message(8))
    journal.finished(a_message(9), keep=True)
    store.end(journal)
    journal = store.open()
    expected = {HERE: frozenset({(8, 5000), (9, 5000)}), ("incidents", 1): frozenset()}
    assert await asyncio.to_thread(journal.remembered, [HERE, ("incidents", 1)]) == expected
    journal.committed({HERE: 9})
    assert await asyncio.to_thread(journal.remembered, [HERE]) == {HERE: frozenset({(9, 5000)})}
    journal.committed({HERE: 10})
    assert await asyncio.to_thread(journal.remembered, [HERE]) == {HERE: frozenset()}
    assert await journal.message_of(a_run("r9", offset=9)) is not None  # kept
    assert await journal.message_of(a_run("r8", offset=8)) is None


async def test_a_message_without_runs_is_remembered_too(store):
    """Poison whose dead letter is delivered. Red when `finished` only changes messages that are in hand."""
    journal = store.open()
    journal.finished(a_message())
    store.end(journal)
    journal = store.open()
    assert await asyncio.to_thread(journal.remembered, [HERE]) == {HERE: frozenset({(7, 5000)})}
    assert await journal.orphans(10) == []


async def test_a_commit_does_not_forget_a_message_in_hand(store):
    """A parked message. Red when `committed` deletes open ones."""
    journal = store.open()
    await journal.open(a_run(), a_message())
    journal.committed({HERE: 100})
    store.end(journal)
    assert await store.open().orphans(10) == [a_message()]


async def test_a_kept_message_is_in_hand_again_when_a_run_of_it_begins(store):
    """An operator's retry. Red when a crash in the midst of it leaves the message kept: nobody would take it over."""
    journal = store.open()
    await journal.open(a_run("first"), a_message())
    journal.finished(a_message(), keep=True)
    await journal.open(a_run("again"), a_message())
    store.end(journal)
    journal = store.open()
    assert await journal.orphans(10) == [a_message()]
    for run in await journal.live_runs("INC-1"):
        await journal.adopt(run)
    journal.finished(a_message())
    assert await asyncio.to_thread(journal.remembered, [HERE]) == {HERE: frozenset({(7, 5000)})}


async def test_only_whoever_has_a_message_finishes_it(shared_store):
    """Red when a process that lost its lease finishes what another one has taken over."""
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run(status=RunStatus.WAITING), a_message())
    shared_store.lapse(first)
    assert await second.orphans(10) == [a_message()]
    await second.adopt(run)
    first.finished(a_message())
    assert await asyncio.to_thread(first.remembered, [HERE]) == {HERE: frozenset()}
    second.finished(a_message())
    assert await asyncio.to_thread(second.remembered, [HERE]) == {HERE: frozenset({(7, 5000)})}


async def test_a_message_that_waits_without_runs_is_in_hand(shared_store):
    """Red when it is not taken up after a crash, or a later message of its incidents overtakes it."""
    first, second = shared_store.open(), shared_store.open()
    await first.hold(a_message(), ["INC_1", "I%"])
    assert await second.busy_elsewhere("INC_1", a_message(8))
    assert await second.busy_elsewhere("I%", a_message(8))
    assert not await second.busy_elsewhere("INCX1", a_message(8))
    assert not await second.busy_elsewhere("NC_1", a_message(8))
    assert not await second.busy_elsewhere("INC_1", a_message(6))
    shared_store.end(first)
    assert await second.orphans(10) == [a_message()]
    second.finished(a_message())
    assert await asyncio.to_thread(second.remembered, [HERE]) == {HERE: frozenset({(7, 5000)})}


async def test_a_message_is_not_finished_while_another_process_has_a_run_of_it_open(shared_store):
    """Its configuration is another one. Red when the first to be done finishes it: nobody would take the run over."""
    first, second, third = shared_store.open(), shared_store.open(), shared_store.open()
    await first.open(a_run("r1", status=RunStatus.SUCCEEDED, ended_at=1.0), a_message())
    run = await second.open(a_run("r2", status=RunStatus.WAITING), a_message())
    first.finished(a_message())
    assert await asyncio.to_thread(first.remembered, [HERE]) == {HERE: frozenset()}
    assert await third.busy_elsewhere("INC-1", a_message(8))
    shared_store.end(second)
    assert await third.orphans(10) == [a_message()]
    await third.adopt(run)
    third.finished(a_message())
    assert await asyncio.to_thread(third.remembered, [HERE]) == {HERE: frozenset({(7, 5000)})}


async def test_a_run_that_begins_late_has_its_message_in_hand_again(shared_store):
    """Red when a process trusts that its message is still as it left it: another one has finished it."""
    first, second = shared_store.open(), shared_store.open()
    await first.open(a_run("r1", status=RunStatus.SUCCEEDED, ended_at=1.0), a_message())
    await second.open(a_run("r2", status=RunStatus.SUCCEEDED, ended_at=1.0), a_message())
    first.finished(a_message())
    await asyncio.to_thread(first.remembered, [HERE])
    await second.open(a_run("r3"), a_message())
    shared_store.end(second)
    assert await first.orphans(10) == [a_message()]


async def test_a_process_does_not_take_its_own_messages_for_orphans(shared_store):
    """Just after its lease was renewed too late. Red when `orphans` does not leave our own out."""
    journal = shared_store.open()
    await journal.open(a_run(), a_message())
    shared_store.lapse(journal)
    assert await journal.orphans(10) == []


async def test_two_that_look_at_once_share_the_orphans(shared_store):
    """Red when both get one."""
    first = shared_store.open()
    for offset in range(50):
        await first.open(a_run(f"r{offset}", offset=offset), a_message(offset))
    others = [shared_store.open() for _ in range(3)]
    shared_store.end(first)
    taken: list[int] = []
    while batches := [
        batch for batch in await asyncio.gather(*(other.orphans(7) for other in others)) if batch
    ]:
        taken += [message.offset for batch in batches for message in batch]
    assert sorted(taken) == list(range(50))


async def test_an_incident_is_busy_elsewhere_while_an_earlier_message_is_in_hand_there(shared_store):
    """Also between two runs of it, when none is open. Red when only open runs are looked at, or the order is not."""
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run(), a_message(7))
    assert await second.busy_elsewhere("INC-1", a_message(8))
    assert not await first.busy_elsewhere("INC-1", a_message(8))
    assert not await second.busy_elsewhere("INC-2", a_message(8))
    assert not await second.busy_elsewhere("INC-1", a_message(6))
    assert await second.busy_elsewhere("INC-1", a_message(1, partition=1, timestamp_ms=9_000))
    assert not await second.busy_elsewhere("INC-1", a_message(9, partition=1, timestamp_ms=1_000))
    shared_store.lapse(first)
    assert await second.busy_elsewhere("INC-1", a_message(8))  # it may be acting
    await first.change(run, RunStatus.SUCCEEDED, 1.0)
    assert await second.busy_elsewhere("INC-1", a_message(8))  # the next run of it may begin
    first.finished(a_message(7))
    await asyncio.to_thread(first.remembered, [HERE])  # so that it is written
    assert not await second.busy_elsewhere("INC-1", a_message(8))


async def test_what_a_process_that_is_gone_had_in_hand_still_comes_first(shared_store):
    """Red when a later message may overtake one that nobody has taken up yet."""
    first, second = shared_store.open(), shared_store.open()
    await first.open(a_run(), a_message(7))
    shared_store.end(first)
    assert await second.busy_elsewhere("INC-1", a_message(8))
    assert await second.orphans(10) == [a_message(7)]
    assert not await second.busy_elsewhere("INC-1", a_message(8))


async def test_incidents_that_others_wrote_are_known_after_an_assignment(shared_store):
    """Red when `remembered` does not look for what is new."""
    first, second = shared_store.open(), shared_store.open()
    for number in range(3):
        await first.open(a_run(f"r{number}", incident_id=f"INC-{number}"))
        await asyncio.to_thread(second.remembered, [HERE])
        assert second.knows(f"INC-{number}")
