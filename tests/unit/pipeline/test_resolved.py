"""An incident is resolved while its runs wait or run."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short
from tests.unit.pipeline.pod import Pod
from tests.unit.pipeline.scripted_source import P0, ScriptedSource, an_event

from automation_consumer.errors import TemporaryError
from automation_consumer.model.run import RunStatus
from automation_consumer.store.memory import MemoryJournal

CONFIG = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions:
  - {name: first, type: %s, text: x, retry_count: 1, retry_delay: 1h}
  - {name: second, type: after, text: x}
  - {name: page, type: page, text: x}
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [first, second], on_failure: [page], on_resolved: %s}
"""


class Case:
    """A message is in work (`first` stands where the test wants it) when the incident is resolved."""

    def __init__(self, folder, first, policy) -> None:
        self.after, self.page = Short(name="after"), Short(name="page")
        self.source = ScriptedSource()
        self.source.put(an_event("a"))
        config = CONFIG % (first.type, policy)
        self.pod = Pod(folder, [first, self.after, self.page], MemoryJournal(), self.source, config=config)

    async def resolve(self, when) -> None:
        await self.pod.start()
        await self.pod.until(lambda: [run.status for run in self.pod.runs] == [when])
        self.source.put(an_event("a", "ok"))

    def outcome(self) -> dict:
        return {run.action: run.status for run in self.pod.runs}

    async def done(self) -> None:
        await self.pod.until(lambda: self.pod.flow.in_hand == 0)
        await self.pod.stop()


async def test_finish_lets_everything_go_on(tmp_path):
    go = asyncio.Event()

    async def poll(ctx):
        return DONE if go.is_set() else None

    case = Case(tmp_path, Job(poll, interval_s=0.05), "finish")
    await case.resolve(RunStatus.WAITING)
    await asyncio.sleep(0.2)
    go.set()
    await case.done()
    assert case.outcome() == {"first": RunStatus.SUCCEEDED, "second": RunStatus.SUCCEEDED}


async def test_skip_waiting_lets_a_running_job_finish_and_begins_nothing_more(tmp_path):
    """Red when what has not begun does not ask whether the incident is resolved."""
    go = asyncio.Event()

    async def poll(ctx):
        return DONE if go.is_set() else None

    job = Job(poll, interval_s=0.05)
    case = Case(tmp_path, job, "skip_waiting")
    await case.resolve(RunStatus.WAITING)
    await asyncio.sleep(0.3)
    assert job.cancelled == []
    go.set()
    await case.done()
    assert case.outcome() == {"first": RunStatus.SUCCEEDED, "second": RunStatus.SKIPPED}
    assert (case.after.calls, case.page.calls) == ([], [])


async def test_cancel_cancels_the_running_job(tmp_path):
    """Red when nobody wakes the run that waits for its job."""
    job = Job(None, interval_s=3600)
    case = Case(tmp_path, job, "cancel")
    await case.resolve(RunStatus.WAITING)
    await case.done()
    assert job.cancelled == ["job-1"]
    assert case.outcome() == {"first": RunStatus.CANCELLED}
    assert (case.after.calls, case.page.calls) == ([], [])
    assert case.pod.service.tally.conditions == {"stopped": 1}


@pytest.mark.parametrize("policy", ["skip_waiting", "cancel"])
async def test_a_retry_that_waits_is_not_made(tmp_path, policy):
    first = Short(TemporaryError("busy"), name="short")
    case = Case(tmp_path, first, policy)
    await case.resolve(RunStatus.RETRYING)
    await case.done()
    assert first.calls == ["x"]
    assert case.outcome() == {"first": RunStatus.CANCELLED}
    assert case.pod.service.tally.conditions == {"stopped": 1}


async def test_the_resolved_message_itself_begins_nothing(tmp_path):
    """A condition may match it. Red when only messages before it are stopped."""
    config = CONFIG.replace("match: {status: critical}", "match: {}") % ("job", "cancel")
    job, source = Job(None, interval_s=3600), ScriptedSource()
    source.put(an_event("a"))
    actions = [job, Short(name="after"), Short(name="page")]
    pod = Pod(tmp_path, actions, MemoryJournal(), source, config=config)
    await pod.start()
    await pod.until(lambda: [run.status for run in pod.runs] == [RunStatus.WAITING])
    source.put(an_event("a", "ok"))
    await pod.until(lambda: pod.flow.in_hand == 0)
    await pod.stop()
    assert len(job.started) == 1
    assert [run.status for run in pod.runs if run.action == "first"] == [
        RunStatus.CANCELLED,
        RunStatus.SKIPPED,
    ]


async def test_a_process_that_learns_of_it_tells_the_one_that_has_the_runs(tmp_path):
    """Red when `on_resolved` is only heeded where the message comes: after a rebalance that is another process."""
    config = CONFIG % ("job", "cancel")
    first = MemoryJournal()
    second = first.beside()
    job = Job(None, interval_s=3600)
    others = [Short(name="after"), Short(name="page")]
    ahead, behind = ScriptedSource(), ScriptedSource()
    ahead.put(an_event("a"))
    behind.put(an_event("a"))
    behind._queues[P0].popleft()  # the first message was read by the other process
    behind.put(an_event("a", "ok"))
    one = Pod(tmp_path, [job, *others], first, ahead, config=config)
    two = Pod(tmp_path, [Job(None), *others], second, behind, config=config)
    await one.service.switchboard.start()
    await one.start()
    await one.until(lambda: [run.status for run in one.runs] == [RunStatus.WAITING])
    await two.start()
    await one.until(lambda: [run.status for run in one.runs] == [RunStatus.CANCELLED])
    await two.until(lambda: two.flow.in_hand == 0)
    assert job.cancelled == ["job-1"]
    await one.service.switchboard.stop()
    await one.stop()
    await two.stop()


async def test_what_waits_behind_another_message_is_skipped_as_well(tmp_path):
    """Red when only the message in work learns of it."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(ctx):
        begun.set()
        await go.wait()
        raise TemporaryError("busy")

    first = Short(slow, name="short")
    case = Case(tmp_path, first, "skip_waiting")
    case.source.put(an_event("a"))
    await case.pod.start()
    await begun.wait()
    case.source.put(an_event("a", "ok"))
    await case.pod.until(lambda: case.pod.service.intake.in_flight == 3)
    go.set()
    await case.done()
    assert first.calls == ["x"]
    assert [run.status for run in case.pod.runs if run.action == "first"] == [
        RunStatus.CANCELLED,
        RunStatus.SKIPPED,
    ]
