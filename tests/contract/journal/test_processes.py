"""Several processes: who may take what over, and that whoever lost a run cannot write to it."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.journal.samples import a_message, a_run

from automation_consumer.errors import FencedError
from automation_consumer.model.run import RunStatus


async def test_a_run_of_a_living_process_is_not_adopted(shared_store):
    """Red when `adopt` does not ask for the owner's state."""
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run())
    for status in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.RETRYING):
        await first.change(run, status, 1.0)
        assert await second.adopt(run) is None
    assert await first.adopt(run) is None  # its own task acts


async def test_of_a_frozen_process_only_what_waits_is_adopted(shared_store):
    """Red when a running one is: the frozen process may be in the midst of its call."""
    first, second = shared_store.open(), shared_store.open()
    running = await first.open(a_run("running"))
    waiting = await first.open(a_run("waiting"))
    retrying = await first.open(a_run("retrying"))
    await first.change(waiting, RunStatus.WAITING, 1.0)
    await first.change(retrying, RunStatus.RETRYING, 1.0)
    shared_store.lapse(first)
    assert await second.adopt(running) is None
    assert (await second.adopt(waiting)).owner == second.process
    assert (await second.adopt(retrying)).owner == second.process
    shared_store.end(first)
    assert (await second.adopt(running)).owner == second.process


async def test_whoever_lost_a_run_cannot_write_to_it(shared_store):
    """Red when `change` does not ask for the fence."""
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run())
    await first.change(run, RunStatus.WAITING, 1.0)
    shared_store.lapse(first)
    taken = await second.adopt(run)
    assert taken.fence > run.fence
    with pytest.raises(FencedError, match=f"process {second.process}"):
        await first.change(run, RunStatus.SUCCEEDED, 2.0)
    assert await second.change(taken, RunStatus.FAILED, 2.0)
    with pytest.raises(FencedError):
        await first.change(run, RunStatus.SUCCEEDED, 3.0)
    assert (await first.find("r1")).status is RunStatus.FAILED


async def test_a_run_that_is_another_processs_cannot_be_written_without_adopting_it(shared_store):
    """Red when `change` asks for the fence only: whoever looked at the run knows that."""
    first, second = shared_store.open(), shared_store.open()
    await first.open(a_run())
    seen = await second.find("r1")
    with pytest.raises(FencedError, match=f"process {first.process}"):
        await second.change(seen, RunStatus.CANCELLED, 2.0)
    shared_store.end(first)
    with pytest.raises(FencedError):
        await second.change(seen, RunStatus.CANCELLED, 2.0)
    assert await second.change(await second.adopt(seen), RunStatus.CANCELLED, 2.0)


async def test_one_of_many_adopts(shared_store):
    """Red when the owner's state is not part of the condition."""
    first = shared_store.open()
    others = [shared_store.open() for _ in range(4)]
    runs = [await first.open(a_run(f"r{number}")) for number in range(10)]
    shared_store.end(first)
    for run in runs:
        taken = await asyncio.gather(*(other.adopt(run) for other in others), others[0].adopt(run))
        assert sum(each is not None for each in taken) == 1


async def test_an_old_view_of_a_run_is_not_enough_to_adopt_it(shared_store):
    """Red when `adopt` does not ask for the fence: what has happened to the run since is not known."""
    first, second, third = shared_store.open(), shared_store.open(), shared_store.open()
    run = await first.open(a_run())
    shared_store.end(first)
    taken = await second.adopt(run)
    shared_store.end(second)
    assert await third.adopt(run) is None
    assert await third.adopt(taken) is not None


async def test_what_has_ended_is_not_adopted(shared_store):
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run())
    await first.change(run, RunStatus.SUCCEEDED, 1.0)
    shared_store.end(first)
    assert await second.adopt(run) is None


async def test_of_two_that_begin_the_same_run_one_has_it(shared_store):
    """Red when `open` returns what was asked for instead of what stands."""
    first, second = shared_store.open(), shared_store.open()
    runs = await asyncio.gather(
        *(
            journal.open(a_run(f"r{number}"), a_message())
            for number in range(20)
            for journal in (first, second)
        )
    )
    for one, other in zip(runs[::2], runs[1::2], strict=True):
        assert (one.owner, one.fence) == (other.owner, other.fence)


async def test_an_old_view_of_a_run_cannot_write_to_it(sql_store):
    """As a process has it that stood still meanwhile. Red when a write does not name the fence."""
    journal = sql_store.open()
    old = await journal.open(a_run())
    sql_store.end(journal)
    journal = sql_store.open()
    assert await journal.adopt(old) is not None
    with pytest.raises(FencedError):
        await journal.change(old, RunStatus.SUCCEEDED, 2.0)
    assert (await journal.find(old.id)).status is RunStatus.RUNNING


async def test_a_lock_is_for_one_run(store):
    """Red when `lock` overwrites its holder, or `unlock` takes it from another one."""
    journal = store.open()
    assert await journal.lock("l", "r1") is None
    assert await journal.lock("l", "r1") is None
    assert await journal.lock("l", "r2") == "r1"
    assert await journal.lock("other", "r2") is None
    await journal.unlock("l", "r2")
    assert await journal.lock("l", "r2") == "r1"
    await journal.unlock("l", "r1")
    assert await journal.lock("l", "r2") is None


async def test_a_lock_stays_with_its_run_whatever_becomes_of_its_process(shared_store):
    """The job that it guards goes on. Red when a lock is free as soon as its process is."""
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run(status=RunStatus.WAITING))
    assert await first.lock("l", run.id) is None
    shared_store.lapse(first)
    assert await second.lock("l", "r2") == run.id
    shared_store.end(first)
    assert await second.lock("l", "r2") == run.id
    adopted = await second.adopt(run)
    assert await second.lock("l", run.id) is None
    await second.change(adopted, RunStatus.SUCCEEDED, 2.0)
    await second.unlock("l", run.id)
    assert await second.lock("l", "r2") is None


async def test_a_lock_of_an_ended_process_is_free_when_its_run_never_began_or_has_ended(store):
    """Red when a crash between the end of a run and the giving back leaves the lock taken for ever."""
    journal = store.open()
    await journal.lock("l", "r1")
    await journal.open(a_run("r5", status=RunStatus.SUCCEEDED, ended_at=1.0))
    await journal.lock("m", "r5")
    store.end(journal)
    journal = store.open()
    assert await journal.lock("l", "r2") is None
    assert await journal.lock("m", "r2") is None


async def test_a_lock_of_a_run_that_ended_elsewhere_is_free(shared_store):
    """Two had the same run in hand. Red when only the process that took the lock can give it back."""
    first, second = shared_store.open(), shared_store.open()
    assert await first.lock("l", "r1") is None
    assert await second.lock("l", "r1") is None
    run = await first.open(a_run("r1"))
    await first.change(run, RunStatus.SUCCEEDED, 2.0)
    assert await first.lock("l", "r2") is None


async def test_what_earlier_messages_skipped_is_not_read_with_a_message(store):
    """An active incident that is sent again and again. Red when every message reads all that was ever skipped."""
    journal = store.open()
    for offset in (7, 8):
        skipped = a_run(f"s{offset}", status=RunStatus.SKIPPED, offset=offset, ended_at=1.0)
        await journal.open(skipped, a_message(offset))
        await journal.open(a_run(f"d{offset}", offset=offset), a_message(offset))
    found = await journal.live_runs("INC-1", a_message(8))
    assert {run.id for run in found} == {"d7", "d8", "s8"}
    assert len(await journal.live_runs("INC-1")) == 4


async def test_one_of_many_gets_the_lock(shared_store):
    journals = [shared_store.open() for _ in range(4)]
    for turn in range(10):
        answers = await asyncio.gather(*(each.lock(f"l{turn}", f"r{at}") for at, each in enumerate(journals)))
        assert answers.count(None) == 1
