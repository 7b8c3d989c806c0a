"""An operator has a run tried again, or cancelled."""

from __future__ import annotations

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short
from tests.unit.pipeline.pod import Pod
from tests.unit.pipeline.scripted_source import ScriptedSource, an_event

from automation_consumer.errors import UsageError
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import Phase, RunStatus
from automation_consumer.model.switch import Request, Wish
from automation_consumer.store.memory import MemoryJournal

CONFIG = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: drain, type: drain, text: x}, {name: reboot, type: reboot, text: x}, {name: page, type: page, text: x}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [drain, reboot], on_failure: [page]}
"""


class Case:
    """`drain` fails the first time; a request comes afterwards."""

    def __init__(self, folder, *drains) -> None:
        self.drain = Short(*drains, name="drain")
        self.reboot, self.page = Short(name="reboot"), Short(name="page")
        source = ScriptedSource()
        source.put(an_event("a"))
        self.pod = Pod(folder, [self.drain, self.reboot, self.page], MemoryJournal(), source, config=CONFIG)

    async def failed(self) -> str:
        await self.pod.start()
        await self.pod.until(lambda: len(self.pod.runs) == 2 and self.pod.flow.in_hand == 0)
        [run] = [run for run in self.pod.runs if run.action == "drain"]
        assert run.status in (RunStatus.FAILED, RunStatus.SUCCEEDED)
        return run.id

    async def ask(self, run_id: str, request_id: str = "q1") -> str:
        return await self.pod.flow.retry(Request(request_id, Wish.RETRY, run_id, "me", 0.0))


async def test_the_run_is_tried_again_and_what_would_have_followed_it(tmp_path):
    """Red when only the run itself, or the whole message, is run again."""
    case = Case(tmp_path, Outcome.failure("no"), DONE)
    answer = await case.ask(await case.failed())
    assert answer.startswith("succeeded")
    assert (len(case.drain.calls), case.reboot.calls, case.page.calls) == (2, ["x"], ["x"])
    again = [run for run in case.pod.runs if run.request == "q1"]
    assert sorted(run.action for run in again) == ["drain", "reboot"]
    assert {run.phase for run in again} == {Phase.ALERT}
    await case.pod.stop()


async def test_the_same_request_after_a_crash_repeats_nothing(tmp_path):
    """Red when a request's runs have ids that change."""
    case = Case(tmp_path, Outcome.failure("no"), DONE)
    run_id = await case.failed()
    await case.ask(run_id)
    assert (await case.ask(run_id)).startswith("succeeded")
    assert len(case.drain.calls) == 2
    await case.pod.stop()


async def test_what_has_failed_again_may_be_tried_again(tmp_path):
    case = Case(tmp_path, Outcome.failure("no"), Outcome.failure("still no"), DONE)
    run_id = await case.failed()
    assert (await case.ask(run_id)).startswith("failed")
    assert (await case.ask(run_id, "q2")).startswith("succeeded")
    await case.pod.stop()


@pytest.mark.parametrize("run_id", ["r0", "none"])
async def test_a_run_that_is_not_there_cannot_be_tried(tmp_path, run_id):
    case = Case(tmp_path, Outcome.failure("no"))
    await case.failed()
    with pytest.raises(UsageError, match=f"there is no run {run_id}"):
        await case.ask(run_id)
    await case.pod.stop()


async def test_the_bytes_of_a_message_that_went_well_are_not_kept(tmp_path):
    source = ScriptedSource()
    source.put(an_event("a"))
    case = Case(tmp_path, DONE)
    run_id = await case.failed()
    with pytest.raises(UsageError, match="no longer kept"):
        await case.ask(run_id)
    await case.pod.stop()


async def test_a_job_is_cancelled(tmp_path):
    job = Job(None, interval_s=3600)
    source = ScriptedSource()
    source.put(an_event("a"))
    pod = Pod(tmp_path, job, MemoryJournal(), source)
    await pod.start()
    await pod.until(lambda: [run.status for run in pod.runs] == [RunStatus.WAITING])
    assert pod.service.runner.withdraw(pod.runs[0].id, "cancelled by me") is True
    await pod.until(lambda: [run.status for run in pod.runs] == [RunStatus.CANCELLED])
    assert job.cancelled == ["job-1"]
    assert pod.runs[0].reason == "cancelled by me; job job-1 was cancelled"
    assert pod.service.runner.withdraw("r0", "x") is None
    await pod.stop()
