"""What every journal must do. A store is added here as one more fixture parameter."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys

import msgspec
import pytest

from automation_consumer.clock import SystemClock
from automation_consumer.errors import StoreError
from automation_consumer.model.run import ENDED, OPEN, Phase, Run, RunStatus
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.store.sqlite import SqliteJournal, SqliteReader


def a_run(run_id: str = "r1", **changes) -> Run:
    run = Run(
        id=run_id,
        status=RunStatus.RUNNING,
        incident_id="INC-1",
        alert_id="a1",
        condition="oozie",
        phase=Phase.ALERT,
        action="rerun",
        action_type="screwdriver",
        subject="oozie/INC-1/a1/rerun",
        digest="d1",
        rule="config.yaml:10",
        config_version="v1",
        topic="incidents",
        partition=0,
        offset=7,
        created_at=100.0,
        params={"host": "web1", "n": [1, 2]},
        target="web1",
    )
    return msgspec.structs.replace(run, **changes)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.db")


@pytest.fixture
async def journal(path):
    """The journal that a file outlives; `SqliteReader` looks into it."""
    journal = SqliteJournal(path, SystemClock())
    yield journal
    journal.close()


@pytest.fixture(params=["sqlite", "memory"])
async def any_journal(request, path):
    """Every journal there is."""
    journal = SqliteJournal(path, SystemClock()) if request.param == "sqlite" else MemoryJournal()
    yield journal
    journal.close()


async def test_a_run_is_written_once_and_read_back_whole(journal, path):
    run = a_run(handle={"id": "7", "url": None, "data": {}}, deadline_at=200.5)
    assert await journal.open(run) is run
    again = await journal.open(a_run(params={"host": "other"}))
    assert again == run
    assert await journal.live_runs("INC-1") == [run]
    reader = SqliteReader(path)
    assert reader.run("r1") == run
    assert [change.status for change in reader.changes("r1")] == [RunStatus.RUNNING]
    reader.close()


@pytest.mark.parametrize("final", sorted(ENDED))
async def test_a_final_state_is_never_overwritten(journal, path, final):
    await journal.open(a_run())
    assert await journal.change("r1", final, 101.0, "first", reason="first", ended_at=101.0)
    for status in RunStatus:
        assert not await journal.change("r1", status, 102.0, "second", reason="second")
    reader = SqliteReader(path)
    found = reader.run("r1")
    assert found is not None
    assert (found.status, found.reason, found.ended_at) == (final, "first", 101.0)
    assert [change.detail for change in reader.changes("r1")] == ["", "first"]
    reader.close()


async def test_changing_a_run_that_is_not_there_says_so(any_journal):
    assert not await any_journal.change("nobody", RunStatus.FAILED, 1.0)


async def test_what_identifies_a_run_cannot_be_changed(any_journal):
    await any_journal.open(a_run())
    with pytest.raises(StoreError, match="incident_id"):
        await any_journal.change("r1", RunStatus.WAITING, 1.0, incident_id="other")


@pytest.mark.parametrize("status", sorted(OPEN))
async def test_open_runs_are_found_after_a_restart(path, status):
    journal = SqliteJournal(path, SystemClock())
    await journal.open(a_run())
    await journal.open(a_run("r2", created_at=99.0))
    await journal.change("r1", status, 1.0)
    await journal.change("r2", RunStatus.SUCCEEDED, 1.0)
    journal.close()
    journal = SqliteJournal(path, SystemClock())
    assert [run.id for run in await journal.open_runs()] == ["r1"]
    assert journal.knows("INC-1")
    assert not journal.knows("INC-2")
    journal.close()


async def test_a_new_activation_leaves_earlier_runs_behind_but_not_open_ones(any_journal):
    await any_journal.open(a_run("done"))
    await any_journal.change("done", RunStatus.SUCCEEDED, 1.0)
    await any_journal.open(a_run("open"))
    await any_journal.note_activity("INC-1", True)  # it was active all along
    assert len(await any_journal.live_runs("INC-1")) == 2
    await any_journal.note_activity("INC-1", False)
    assert len(await any_journal.live_runs("INC-1")) == 2
    await any_journal.note_activity("INC-1", True)
    assert [run.id for run in await any_journal.live_runs("INC-1")] == ["open"]


async def test_inactivity_is_remembered_across_a_restart(path):
    journal = SqliteJournal(path, SystemClock())
    await journal.open(a_run())
    await journal.change("r1", RunStatus.SUCCEEDED, 1.0)
    await journal.note_activity("INC-1", False)
    journal.close()
    journal = SqliteJournal(path, SystemClock())
    await journal.note_activity("INC-1", True)
    assert await journal.live_runs("INC-1") == []
    journal.close()


async def test_last_success_is_of_that_action_and_target(any_journal):
    for number, (target, status) in enumerate(
        [("web1", RunStatus.SUCCEEDED), ("web1", RunStatus.FAILED), ("web2", RunStatus.SUCCEEDED)]
    ):
        await any_journal.open(a_run(f"r{number}", target=target))
        await any_journal.change(f"r{number}", status, 1.0, ended_at=100.0 + number)
    assert await any_journal.last_success("rerun", "web1") == 100.0
    assert await any_journal.last_success("rerun", "web3") is None
    assert await any_journal.last_success("other", "web1") is None


async def test_what_is_opened_twice_is_what_was_opened_first(any_journal):
    run = await any_journal.open(a_run())
    await any_journal.change("r1", RunStatus.RETRYING, 101.0, "busy", next_at=105.0)
    again = await any_journal.open(a_run(params={"host": "other"}))
    assert again == msgspec.structs.replace(run, status=RunStatus.RETRYING, next_at=105.0)
    assert await any_journal.open_runs() == [again]
    assert any_journal.knows("INC-1")
    assert not any_journal.knows("INC-2")


async def test_no_journal_overwrites_a_final_state(any_journal):
    await any_journal.open(a_run())
    assert await any_journal.change("r1", RunStatus.UNKNOWN, 101.0, ended_at=101.0)
    assert not await any_journal.change("r1", RunStatus.SUCCEEDED, 102.0, ended_at=102.0)
    [run] = await any_journal.live_runs("INC-1")
    assert (run.status, run.ended_at) == (RunStatus.UNKNOWN, 101.0)
    assert await any_journal.open_runs() == []


async def test_live_runs_come_oldest_first(any_journal):
    for number in (3, 1, 2):
        await any_journal.open(a_run(f"r{number}", created_at=float(number)))
    assert [run.id for run in await any_journal.live_runs("INC-1")] == ["r1", "r2", "r3"]
    assert [run.id for run in await any_journal.open_runs()] == ["r1", "r2", "r3"]


async def test_concurrent_writes_share_transactions_and_all_land(path):
    batches: list[int] = []
    journal = SqliteJournal(path, SystemClock(), lambda operations, seconds: batches.append(operations))
    runs = [a_run(f"r{number}", incident_id=f"INC-{number}") for number in range(300)]
    await asyncio.gather(*(journal.open(run) for run in runs))
    assert sum(batches) == 300
    assert len(batches) < 300
    assert len(await journal.open_runs()) == 300
    journal.close()


async def test_a_bad_write_fails_alone(journal):
    good = [journal.open(a_run(f"good{number}")) for number in range(20)]
    bad = journal.open(a_run("bad", condition=object()))  # SQLite cannot bind it
    results = await asyncio.gather(*good, bad, return_exceptions=True)
    assert isinstance(results[-1], StoreError)
    assert len(await journal.open_runs()) == 20


async def test_filters_of_the_listing(journal, path):
    await journal.open(a_run("r1", created_at=1.0))
    await journal.open(a_run("r2", created_at=2.0, incident_id="INC-2"))
    await journal.open(a_run("r3", created_at=3.0))
    await journal.change("r3", RunStatus.FAILED, 4.0)
    reader = SqliteReader(path)
    ids = lambda **which: [run.id for run in reader.runs(RunFilter(**which))]  # noqa: E731
    assert ids() == ["r3", "r2", "r1"]
    assert ids(limit=1) == ["r3"]
    assert ids(incident_id="INC-1") == ["r3", "r1"]
    assert ids(incident_id="INC-1", status=RunStatus.RUNNING) == ["r1"]
    assert reader.run("r") is None  # not the only one
    assert reader.run("nobody") is None
    reader.close()


def test_no_journal_yet_is_said_clearly(path):
    with pytest.raises(StoreError, match="no journal"):
        SqliteReader(path)


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(path):
    journal = SqliteJournal(path, SystemClock())
    with pytest.raises(StoreError, match="in use"):
        SqliteJournal(path, SystemClock())
    journal.close()
    code = (
        "import os, sys; from automation_consumer.clock import SystemClock\n"
        "from automation_consumer.store.sqlite import SqliteJournal\n"
        f"journal = SqliteJournal({path!r}, SystemClock()); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    SqliteJournal(path, SystemClock()).close()


def test_a_journal_of_a_newer_version_is_refused(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(StoreError, match="newer version"):
        SqliteJournal(path, SystemClock())
