"""A retry that waits for long holds neither its partition nor the intake, and outlives the process."""

from __future__ import annotations

import asyncio

from tests.unit.pipeline.acting import DONE, Short
from tests.unit.pipeline.pod import Pod, committed
from tests.unit.pipeline.scripted_source import P0, ScriptedSource, an_event

from automation_consumer.errors import TemporaryError
from automation_consumer.model.run import RunStatus
from automation_consumer.pipeline import parking
from automation_consumer.store.memory import MemoryJournal

CONFIG = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
limits: {max_in_flight_incidents: 1, max_parked_incidents: %d}
actions: [{name: it, type: short, text: "{{ incident.id }}", retry_count: 3, retry_delay: 1h}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [it]}
"""


def a_pod(folder, action, journal, source, *, parked=10) -> Pod:
    return Pod(folder, action, journal, source, config=CONFIG % parked)


async def fails_first(ctx):
    if ctx.incident.id == "bad":
        raise TemporaryError("busy")
    return DONE


async def test_its_offset_is_committed_and_the_intake_goes_on(tmp_path):
    """Red when a waiting retry does not park its message: with one message in flight the second never comes."""
    source = ScriptedSource()
    source.put(an_event("bad"))
    source.put(an_event("good"))
    pod = a_pod(tmp_path, Short(fails_first), MemoryJournal(), source)
    await pod.start()
    await pod.until(lambda: committed(source) == {P0: 2})
    assert sorted(run.status for run in pod.runs) == [RunStatus.RETRYING, RunStatus.SUCCEEDED]
    assert pod.flow.in_hand == 1
    await pod.stop()


async def test_no_more_are_parked_than_the_limit(tmp_path):
    """Red when `max_parked_incidents` is not looked at."""
    source = ScriptedSource()
    source.put(an_event("bad"))
    source.put(an_event("good"))
    pod = a_pod(tmp_path, Short(fails_first), MemoryJournal(), source, parked=0)
    await pod.start()
    await pod.until(lambda: [run.status for run in pod.runs] == [RunStatus.RETRYING])
    await asyncio.sleep(0.7)  # a commit would have come by now
    assert len(pod.runs) == 1
    assert committed(source).get(P0, 0) == 0
    await pod.stop()


async def test_after_a_restart_it_is_due_when_it_was_due(tmp_path):
    """Red when the time of the next try is not in the journal, or the message is not."""
    source, journal = ScriptedSource(), MemoryJournal()
    source.put(an_event("bad"))
    pod = a_pod(tmp_path, Short(fails_first), journal, source)
    await pod.start()
    await pod.until(lambda: committed(source) == {P0: 1})
    await pod.stop()
    [before] = pod.runs
    journal.die()

    second = Short(DONE)
    again = a_pod(tmp_path, second, journal.beside(), ScriptedSource())  # Kafka has nothing for it
    await again.start()
    await asyncio.sleep(0.1)
    assert again.flow.in_hand == 1  # it waits here now
    [waiting] = again.runs
    assert (waiting.status, waiting.next_at, second.calls) == (RunStatus.RETRYING, before.next_at, [])
    assert waiting.next_at - waiting.created_at > 3000
    await again.stop()


async def test_updates_of_an_incident_that_waits_leave_room_for_others(tmp_path, monkeypatch):
    """Red when messages that stand behind others of their incident keep their place in the intake."""
    monkeypatch.setattr(parking, "WAITS_LONG_S", 0.1)
    source, journal = ScriptedSource(), MemoryJournal()
    for _ in range(6):
        source.put(an_event("bad"))
    source.put(an_event("good"))
    pod = a_pod(tmp_path, Short(fails_first), journal, source)
    await pod.start()
    await pod.until(lambda: any(run.status is RunStatus.SUCCEEDED for run in pod.runs))
    await pod.until(lambda: committed(source) == {P0: 7})
    await pod.stop()
    journal.die()
    assert len(await journal.beside().orphans(10)) == 6  # a restart takes all of them up
