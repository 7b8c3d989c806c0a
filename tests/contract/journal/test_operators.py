"""Pauses, wishes, events and retention."""

from __future__ import annotations

import asyncio

from tests.contract.journal.samples import a_message, a_run

from automation_consumer.model.run import ENDED, RunStatus
from automation_consumer.model.switch import Request, Scope, Switch, Wish
from automation_consumer.store.journal import RunFilter


def a_switch(switch_id: str, since: float = 1.0) -> Switch:
    return Switch(switch_id, Scope.CONDITION, "oozie", "me@host", "outage \N{SNOWMAN}", since, until=9.5)


async def test_a_pause_that_an_operator_sets_is_seen_by_the_service_until_it_is_resumed(sql_store):
    """Red when a reader's write is not committed."""
    journal, reader = sql_store.open(), sql_store.reader()
    reader.pause(a_switch("s2", since=2.0))
    reader.pause(a_switch("s1"))
    await journal.pause(a_switch("s3", since=3.0))
    expected = [a_switch("s1"), a_switch("s2", since=2.0), a_switch("s3", since=3.0)]
    assert await journal.switches() == expected
    assert reader.switches() == expected
    assert reader.resume("s2", "you", 5.0)
    assert not reader.resume("s2", "you", 6.0)
    assert not reader.resume("nothing", "you", 6.0)
    assert [each.id for each in await journal.switches()] == ["s1", "s3"]
    reader.close()


async def test_a_pause_set_twice_is_one(store):
    journal = store.open()
    await journal.pause(a_switch("s1"))
    await journal.pause(a_switch("s1", since=2.0))
    assert await journal.switches() == [a_switch("s1")]


async def test_a_wish_is_taken_once_and_answered(sql_store):
    """Red when `requests` does not make it ours."""
    journal, reader = sql_store.open(), sql_store.reader()
    wanted = Request("q1", Wish.RETRY, "r1", "me@host", 3.0)
    reader.request(wanted)
    reader.request(Request("q0", Wish.CANCEL, "r2", "me@host", 2.0))
    assert [each.id for each in await journal.requests()] == ["q0", "q1"]
    assert await journal.requests() == []
    assert reader.answer_to("q1") is None
    await journal.answer(wanted, "done", 4.0)
    await journal.answer(wanted, "again", 5.0)
    assert reader.answer_to("q1") == "done"
    assert reader.answer_to("nothing") is None
    sql_store.end(journal)
    assert [each.id for each in await sql_store.open().requests()] == ["q0"]  # its taker is gone
    reader.close()


async def test_a_wish_to_cancel_goes_to_the_process_that_has_the_run(shared_store):
    """Red when whoever looks first takes it: it would answer that it does not have the run."""
    first, second = shared_store.open(), shared_store.open()
    run = await first.open(a_run(), a_message())
    ask = shared_store.reader() if hasattr(shared_store, "reader") else first
    ask.request(Request("q1", Wish.CANCEL, run.id, "me@host", 2.0))
    assert await second.requests() == []
    assert [each.id for each in await first.requests()] == ["q1"]
    ask.request(Request("q2", Wish.CANCEL, run.id, "me@host", 3.0))
    shared_store.end(first)
    assert [each.id for each in await second.requests()] == ["q1", "q2"]
    if ask is not first:
        ask.close()


async def test_an_end_is_announced_until_it_is_delivered(store):
    """Red when an end is not noted in the same write, or is noted without `announces`."""
    journal = store.open(announces=True)
    for number, status in enumerate(sorted(ENDED)):
        run = await journal.open(a_run(f"r{number}"))
        await journal.change(run, status, 1.0, ended_at=10.0 - number)
    await journal.open(a_run("skipped", status=RunStatus.SKIPPED, ended_at=20.0))
    await journal.open(a_run("open"))
    expected = [f"r{number}" for number in reversed(range(len(ENDED)))] + ["skipped"]
    assert [run.id for run in await journal.unannounced(100)] == expected
    assert [run.id for run in await journal.unannounced(2)] == expected[:2]
    await journal.announced(expected[:3])
    assert [run.id for run in await journal.unannounced(100)] == expected[3:]
    store.end(journal)
    journal = store.open()
    assert [run.id for run in await journal.unannounced(100)] == expected[3:]
    await journal.announced(expected)
    assert await journal.unannounced(100) == []
    other = await journal.open(a_run("quiet"))
    await journal.change(other, RunStatus.FAILED, 1.0, ended_at=1.0)
    assert await journal.unannounced(100) == []


async def test_ends_of_a_living_process_are_its_own_to_announce(shared_store):
    first, second = shared_store.open(announces=True), shared_store.open(announces=True)
    await first.open(a_run(status=RunStatus.SKIPPED, ended_at=1.0))
    assert await second.unannounced(10) == []
    shared_store.lapse(first)
    assert await second.unannounced(10) == []
    shared_store.end(first)
    assert [run.id for run in await second.unannounced(10)] == ["r1"]


async def ended(journal, run_id: str, at: float, incident_id: str) -> None:
    message = a_message(int(at))
    run = a_run(run_id, created_at=at, incident_id=incident_id, offset=int(at))
    run = await journal.open(run, message)
    await journal.change(run, RunStatus.SUCCEEDED, at, ended_at=at)
    journal.finished(message, keep=True)


async def test_what_is_old_is_deleted_but_not_what_still_counts(store):
    """Red when open runs, those of an active incident, or those with an undelivered event are deleted."""
    journal = store.open(announces=True)
    await ended(journal, "old", 10.0, "OVER")
    await ended(journal, "young", 1000.0, "OVER")
    await ended(journal, "active", 11.0, "ACTIVE")
    await ended(journal, "alone", 12.0, "GONE")
    await ended(journal, "untold", 13.0, "UNTOLD")
    await journal.open(a_run("open", created_at=14.0, incident_id="OVER", offset=14), a_message(14))
    for incident in ("OVER", "GONE", "UNTOLD"):
        await journal.note_activity(incident, False)
    await journal.announced(["old", "young", "active", "alone"])
    assert await journal.prune(500.0) == 2
    left = {
        run_id
        for run_id in ("old", "young", "active", "alone", "untold", "open")
        if await journal.find(run_id)
    }
    assert left == {"young", "active", "untold", "open"}
    assert not journal.knows("GONE")
    assert journal.knows("OVER")
    assert await journal.message_of(a_run("old", offset=10)) is None
    assert await journal.message_of(a_run("young", offset=1000)) is not None
    assert await journal.message_of(a_run("open", offset=14)) is not None


async def test_much_is_deleted_in_steps_with_all_that_belongs_to_it(sql_store):
    journal = sql_store.open()
    await asyncio.gather(*(ended(journal, f"r{number}", 1.0, f"INC-{number}") for number in range(1_200)))
    await asyncio.gather(*(journal.note_activity(f"INC-{number}", False) for number in range(1_200)))
    assert await journal.prune(2.0) == 1_200
    reader = sql_store.reader()
    assert reader.runs(RunFilter()) == []
    assert reader.changes("r7") == []
    assert not journal.knows("INC-7")
    reader.close()
