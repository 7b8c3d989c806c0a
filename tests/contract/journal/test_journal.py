"""Runs: what every journal must do with them. A store is added in `conftest.py`."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import msgspec
import pytest
from tests.contract.journal.samples import a_message, a_run

from automation_consumer.clock import SystemClock
from automation_consumer.errors import StoreError
from automation_consumer.model.run import ENDED, OPEN, RunStatus
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.open import open_reader
from automation_consumer.store.sqlite import SqliteJournal, SqliteReader


async def test_a_run_is_written_once_as_ours_and_read_back_whole(store):
    """Red when `open` overwrites what is there, or a column is lost."""
    journal = store.open()
    run = a_run(handle={"id": "7", "url": None, "data": {}}, deadline_at=200.5, request="q1")
    opened = await journal.open(run)
    assert opened == msgspec.structs.replace(run, owner=journal.process, fence=opened.fence)
    assert opened.fence > 0
    assert await journal.open(a_run(params={"host": "other"})) == opened
    assert await journal.find("r1") == opened
    assert await journal.live_runs("INC-1") == [opened]
    assert await journal.find("nobody") is None


@pytest.mark.parametrize("final", sorted(ENDED))
async def test_a_final_state_is_never_overwritten(store, final):
    """Red when `change` does not ask for an open status."""
    journal = store.open()
    run = await journal.open(a_run())
    assert await journal.change(run, final, 101.0, "first", reason="first", ended_at=101.0)
    for status in RunStatus:
        assert not await journal.change(run, status, 102.0, "second", reason="second")
    found = await journal.find("r1")
    assert found is not None
    assert (found.status, found.reason, found.ended_at) == (final, "first", 101.0)


async def test_the_history_has_what_happened_and_nothing_else(sql_store):
    """Red when a refused change leaves a line behind."""
    journal = sql_store.open()
    run = await journal.open(a_run(), a_message())
    await journal.open(a_run())
    await journal.change(run, RunStatus.WAITING, 101.0, "polling", handle={"id": "1"})
    await journal.change(run, RunStatus.SUCCEEDED, 102.0, "done", ended_at=102.0)
    await journal.change(run, RunStatus.FAILED, 103.0, "too late", ended_at=103.0)
    reader = sql_store.reader()
    assert [(each.at, each.status, each.detail) for each in reader.changes("r1")] == [
        (100.0, RunStatus.RUNNING, ""),
        (101.0, RunStatus.WAITING, "polling"),
        (102.0, RunStatus.SUCCEEDED, "done"),
    ]
    assert reader.run("r1") == await journal.find("r1")
    reader.close()


async def test_changing_a_run_that_is_not_there_says_so(store):
    assert not await store.open().change(a_run("nobody"), RunStatus.FAILED, 1.0)


async def test_what_identifies_a_run_cannot_be_changed(store):
    journal = store.open()
    run = await journal.open(a_run())
    with pytest.raises(StoreError, match="incident_id"):
        await journal.change(run, RunStatus.WAITING, 1.0, incident_id="other")


async def test_a_new_activation_leaves_earlier_runs_behind_but_not_open_ones(store):
    journal = store.open()
    done = await journal.open(a_run("done"))
    await journal.change(done, RunStatus.SUCCEEDED, 1.0)
    await journal.open(a_run("open"))
    await journal.note_activity("INC-1", True)  # it was active all along
    assert len(await journal.live_runs("INC-1")) == 2
    await journal.note_activity("INC-1", False)
    assert len(await journal.live_runs("INC-1")) == 2
    await journal.note_activity("INC-1", True)
    assert [run.id for run in await journal.live_runs("INC-1")] == ["open"]


async def test_inactivity_is_remembered_across_a_restart(store):
    journal = store.open()
    run = await journal.open(a_run())
    await journal.change(run, RunStatus.SUCCEEDED, 1.0)
    await journal.note_activity("INC-1", False)
    store.end(journal)
    journal = store.open()
    await journal.note_activity("INC-1", True)
    assert await journal.live_runs("INC-1") == []


async def test_last_success_is_of_that_action_and_target(store):
    journal = store.open()
    for number, (target, status) in enumerate(
        [("web1", RunStatus.SUCCEEDED), ("web1", RunStatus.FAILED), ("web2", RunStatus.SUCCEEDED)]
    ):
        run = await journal.open(a_run(f"r{number}", target=target))
        await journal.change(run, status, 1.0, ended_at=100.0 + number)
    assert await journal.last_success("rerun", "web1") == 100.0
    assert await journal.last_success("rerun", "web3") is None
    assert await journal.last_success("other", "web1") is None


async def test_runs_that_acted_are_counted(store):
    """Red when skipped ones count, or those before the time."""
    journal = store.open()
    for number, status in enumerate(sorted(RunStatus)):
        run = await journal.open(a_run(f"r{number}", created_at=100.0 + number))
        await journal.change(run, status, 200.0)
    assert await journal.started_since("rerun", 0.0) == len(RunStatus) - 2
    assert await journal.started_since("rerun", 100.0 + len(RunStatus)) == 0
    assert await journal.started_since("other", 0.0) == 0


async def test_live_runs_come_oldest_first(store):
    journal = store.open()
    for number in (3, 1, 2):
        await journal.open(a_run(f"r{number}", created_at=float(number)))
    assert [run.id for run in await journal.live_runs("INC-1")] == ["r1", "r2", "r3"]


async def test_what_is_known_outlives_the_process(store):
    journal = store.open()
    await journal.open(a_run())
    store.end(journal)
    journal = store.open()
    assert journal.knows("INC-1")
    assert not journal.knows("INC-2")


async def test_concurrent_writes_share_transactions_and_all_land(sql_store):
    batches: list[int] = []
    journal = sql_store.open(on_commit=lambda operations, seconds: batches.append(operations))
    runs = [a_run(f"r{number}", incident_id=f"INC-{number}") for number in range(300)]
    await asyncio.gather(*(journal.open(run) for run in runs))
    assert sum(batches) == 300
    assert len(batches) < 300
    reader = sql_store.reader()
    assert len(reader.runs(RunFilter(limit=1000))) == 300
    reader.close()


async def test_a_bad_write_fails_alone(sql_store):
    """Red when the writer fails the whole batch, or tries the bad one for ever."""
    journal = sql_store.open()
    good = [journal.open(a_run(f"good{number}")) for number in range(20)]
    bad = [journal.open(a_run("bad", condition=object())), journal.open(a_run("worse", created_at=None))]
    results = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert [isinstance(result, StoreError) for result in results] == [False] * 20 + [True] * 2
    assert len(await journal.live_runs("INC-1")) == 20
    assert journal.available


async def test_texts_that_a_database_does_not_take_are_written_as_far_as_they_can_be(sql_store):
    """Red when a NUL in an alert's text makes its incident unhandleable on PostgreSQL."""
    journal = sql_store.open()
    run = await journal.open(a_run(incident_id="I\x00D", params={"text": "a\x00b"}))
    assert await journal.change(run, RunStatus.FAILED, 1.0, output="out\x00put", reason="\x00")
    [found] = await journal.live_runs("I\x00D")
    assert found.params == {"text": "a\x00b"}
    assert found.output in {"out\x00put", "out\ufffdput"}


async def test_filters_of_the_listing(sql_store):
    journal = sql_store.open()
    await journal.open(a_run("r1", created_at=1.0))
    await journal.open(a_run("r2", created_at=2.0, incident_id="INC-2"))
    last = await journal.open(a_run("r3", created_at=3.0))
    await journal.change(last, RunStatus.FAILED, 4.0)
    reader = sql_store.reader()
    ids = lambda **which: [run.id for run in reader.runs(RunFilter(**which))]  # noqa: E731
    assert ids() == ["r3", "r2", "r1"]
    assert ids(limit=1) == ["r3"]
    assert ids(incident_id="INC-1") == ["r3", "r1"]
    assert ids(incident_id="INC-1", status=RunStatus.RUNNING) == ["r1"]
    assert reader.run("r") is None  # not the only one
    assert reader.run("nobody") is None
    assert reader.beginning("r", 2) == ["r1", "r2"]
    assert reader.beginning("r3", 2) == ["r3"]
    assert reader.beginning("nobody", 2) == []
    assert reader.run("r3") is not None
    reader.close()


async def test_a_closed_journal_says_so(sql_store):
    journal = sql_store.open()
    sql_store.end(journal)
    with pytest.raises(StoreError, match="closed"):
        await journal.open(a_run())
    assert not journal.may_act()


def test_no_journal_yet_is_said_clearly(sql_store):
    with pytest.raises(StoreError, match="no journal"):
        open_reader(sql_store.url)


@pytest.mark.parametrize("status", sorted(OPEN))
async def test_after_a_restart_every_open_run_can_be_adopted(store, status):
    """Red when a process that ended still counts as one that may act."""
    journal = store.open()
    run = await journal.open(a_run())
    await journal.change(run, status, 1.0)
    store.end(journal)
    journal = store.open()
    found = await journal.find("r1")
    assert found is not None
    taken = await journal.adopt(found)
    assert taken is not None
    assert (taken.owner, taken.status) == (journal.process, status)
    assert await journal.change(taken, RunStatus.SUCCEEDED, 2.0)


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(sqlite_store):
    """Red without the file lock."""
    journal = sqlite_store.open()
    with pytest.raises(StoreError, match="in use"):
        sqlite_store.open()
    sqlite_store.end(journal)
    code = (
        "import os, sys; from automation_consumer.clock import SystemClock\n"
        "from automation_consumer.store.sqlite import SqliteJournal\n"
        f"journal = SqliteJournal({sqlite_store.path!r}, SystemClock()); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    SqliteJournal(sqlite_store.path, SystemClock()).close()


def test_process_numbers_only_grow(sql_store):
    numbers = []
    for _ in range(3):
        journal = sql_store.open()
        numbers.append(journal.process)
        sql_store.end(journal)
    assert numbers == sorted(set(numbers))


def test_a_path_with_odd_characters_is_read_as_it_was_written(tmp_path):
    path = str(tmp_path / "a?b#c %20.db")
    SqliteJournal(path, SystemClock()).close()
    SqliteReader(path).close()
