"""An incident is resolved while its runs wait or run."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short
from tests.unit.pipeline.pod import Pod
from tests.unit.pipeline.scripted_source import ScriptedSource, an_event

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
    assert case.outcome()["first"] is RunStatus.CANCELLED
    assert case.after.calls == []


@pytest.mark.parametrize("policy", ["skip_waiting", "cancel"])
async def test_a_retry_that_waits_is_not_made(tmp_path, policy):
    first = Short(TemporaryError("busy"), name="short")
    case = Case(tmp_path, first, policy)
    await case.resolve(RunStatus.RETRYING)
    await case.done()
    assert first.calls == ["x"]
    assert case.outcome()["first"] is RunStatus.CANCELLED


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
