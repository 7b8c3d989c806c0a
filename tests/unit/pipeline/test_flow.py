"""The whole road of one process, from a scripted source to its commits: order, stop, restart."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short
from tests.unit.pipeline.pod import Pod, committed
from tests.unit.pipeline.scripted_source import P0, P1, ScriptedSource, an_event

from automation_consumer.errors import BrokerError
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.store.memory import MemoryJournal


async def test_all_that_was_there_is_handled_and_committed(tmp_path):
    source = ScriptedSource(P0, P1)
    for number in range(20):
        source.put(an_event(f"i{number}"), (P0, P1)[number % 2])
    source.put(b"poison")
    action = Short()
    pod = Pod(tmp_path, action, MemoryJournal(), source, once=True)
    await pod.once()
    assert action.calls == ["web1"] * 20
    assert committed(source) == {P0: 11, P1: 10}
    assert source.closed
    tally = pod.service.tally
    assert (tally.incidents, tally.matched, tally.dead_letters) == (20, 20, 1)
    assert tally.runs == {RunStatus.SUCCEEDED: 20}


async def test_messages_of_one_incident_are_handled_in_order_and_others_beside_it(tmp_path):
    inside, most, order = 0, 0, []

    async def step(ctx):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        order.append((ctx.incident.id, ctx.incident.description))
        await asyncio.sleep(0.01)
        inside -= 1
        return DONE

    source = ScriptedSource()
    for number in range(4):
        for name in "ab":
            event = an_event(name).replace(b'"active"', b'"description":"%d","active"' % number, 1)
            source.put(event)
    pod = Pod(tmp_path, Short(step), MemoryJournal(), source, once=True)
    await pod.once()
    for name in "ab":
        assert [number for incident, number in order if incident == name] == ["0", "1", "2", "3"]
    assert most == 2
    assert committed(source) == {P0: 8}


async def test_a_stop_parks_what_waits_and_the_next_process_goes_on(tmp_path):
    journal, job = MemoryJournal(), Job(None)
    source = ScriptedSource()
    source.put(an_event("a"))
    pod = Pod(tmp_path, job, journal, source)
    await pod.start()
    await pod.until(lambda: any(run.status is RunStatus.WAITING for run in journal.runs.values()))
    assert await pod.stop()
    assert committed(source).get(P0, 0) == 0  # its message comes again

    again = ScriptedSource()
    again.put(an_event("a"))
    finished = Job(DONE, interval_s=0)
    await Pod(tmp_path, finished, journal, again, once=True).once()
    [run] = journal.runs.values()
    assert run.status is RunStatus.SUCCEEDED
    assert finished.started == []
    assert committed(again) == {P0: 1}


async def test_a_stop_lets_actions_finish_that_act(tmp_path):
    entered, go = asyncio.Event(), asyncio.Event()

    async def step(ctx):
        entered.set()
        await go.wait()
        return DONE

    source = ScriptedSource()
    source.put(an_event("a"))
    pod = Pod(tmp_path, Short(step), MemoryJournal(), source)
    await pod.start()
    await entered.wait()
    stopping = asyncio.create_task(pod.stop())
    await asyncio.sleep(0)
    go.set()
    assert await stopping
    assert committed(source) == {P0: 1}


async def test_a_stop_cuts_off_what_does_not_end_in_time(tmp_path):
    entered = asyncio.Event()

    async def step(ctx):
        entered.set()
        await asyncio.Event().wait()

    source = ScriptedSource()
    source.put(an_event("a"))
    journal = MemoryJournal()
    pod = Pod(tmp_path, Short(step), journal, source)
    await pod.start()
    await entered.wait()
    assert not await pod.flow.stop(0.01)
    pod.service.close()
    assert committed(source).get(P0, 0) == 0
    assert [run.status for run in journal.runs.values()] == [RunStatus.RUNNING]


async def test_a_source_that_cannot_be_made_ends_the_road(tmp_path):
    pod = Pod(tmp_path, Short(), MemoryJournal(), ScriptedSource())

    def connect():
        raise BrokerError("no broker")

    pod.flow.start(connect)
    async with asyncio.timeout(20):
        assert isinstance(await pod.flow.failed, BrokerError)
    await pod.stop()


async def test_a_failed_run_finishes_its_message(tmp_path):
    source = ScriptedSource()
    source.put(an_event("a"))
    pod = Pod(tmp_path, Short(Outcome.failure("no")), MemoryJournal(), source, once=True)
    await pod.once()
    assert committed(source) == {P0: 1}
    assert pod.service.tally.runs == {RunStatus.FAILED: 1}


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.RETRYING])
async def test_runs_that_the_rules_no_longer_ask_for_are_settled(tmp_path, status):
    journal, source = MemoryJournal(), ScriptedSource()
    source.put(an_event("a"))
    pod = Pod(tmp_path, Job(None), journal, source)
    await pod.start()
    await pod.until(lambda: any(run.status is RunStatus.WAITING for run in journal.runs.values()))
    await pod.stop()
    [old] = journal.runs.values()
    await journal.change(old, status, 0.0)

    again = ScriptedSource()
    again.put(an_event("a", "warning"))  # at the same place, and matches nothing now
    await Pod(tmp_path, Job(), journal, again, once=True).once()
    [run] = journal.runs.values()
    assert run.status is (RunStatus.CANCELLED if status is RunStatus.RETRYING else RunStatus.UNKNOWN)
    assert "no longer asks for it" in run.reason
