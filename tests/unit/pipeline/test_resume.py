"""A run that an earlier process left open: taken up where the journal has it, never begun a second time."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.pipeline.acting import DONE, Job, Short

from automation_consumer.errors import TemporaryError
from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock
from automation_consumer.testing.run import Bench


async def left_open(action, fields, status: RunStatus, **changes):
    """A bench, and the plan of a message whose run stands in the journal as `status`."""
    clock = FakeClock(auto=True)
    journal = MemoryJournal()
    bench = Bench({"it": (action, fields)}, clock=clock, journal=journal)
    plan = bench.plan("it")
    run = await journal.open(bench.engine.recorder.row(plan, {}, RunStatus.RUNNING), plan.message)
    await journal.change(run, status, clock.now(), **changes)
    return bench, bench.plan("it", history=list(journal.runs.values()))


def the_run(bench):
    [run] = bench.journal.runs.values()
    return run


async def test_a_short_action_that_was_cut_off_may_have_acted():
    action = Short()
    bench, plan = await left_open(action, {"retry_count": 3}, RunStatus.RUNNING)
    result = await bench.runner.run(plan)
    assert (result.status, result.ok) == (RunStatus.UNKNOWN, False)
    assert the_run(bench).status is RunStatus.UNKNOWN
    assert action.calls == []
    bench.close()


@pytest.mark.parametrize(
    ("action", "fields"), [(Short(repeatable=True), {}), (Short(), {"on_unknown": "rerun"})]
)
async def test_one_that_does_no_harm_twice_acts_again(action, fields):
    bench, plan = await left_open(action, fields, RunStatus.RUNNING)
    assert (await bench.runner.run(plan)).status is RunStatus.SUCCEEDED
    assert len(action.calls) == 1
    bench.close()


async def test_a_retry_goes_on_when_it_is_due():
    action = Short()
    began = FakeClock().now()
    bench, plan = await left_open(action, {"retry_count": 3}, RunStatus.RETRYING, next_at=began + 40)
    result = await bench.runner.run(plan)
    assert result.status is RunStatus.SUCCEEDED
    assert bench.clock.now() == began + 40
    assert action.keys == [f"{plan.run_id}-2"]
    assert the_run(bench).attempt == 2
    bench.close()


async def test_tries_before_the_restart_count():
    action = Short(TemporaryError("busy"))
    bench, plan = await left_open(
        action, {"retry_count": 2, "retry_delay": 1}, RunStatus.RETRYING, next_at=0.0, attempt=2
    )
    assert (await bench.runner.run(plan)).status is RunStatus.FAILED
    assert action.keys == [f"{plan.run_id}-3"]
    bench.close()


async def test_a_job_that_is_known_is_polled_and_not_started():
    job = Job(None, DONE)
    bench, plan = await left_open(
        job, {}, RunStatus.WAITING, handle=msgspec.to_builtins(Handle("job-9", "https://jobs.example/9"))
    )
    result = await bench.runner.run(plan)
    assert result.status is RunStatus.SUCCEEDED
    assert (job.started, job.looked_up, job.polled) == ([], [], ["job-9", "job-9"])
    bench.close()


async def test_the_deadline_of_a_job_outlives_the_process():
    job = Job(None, timeout_s=1000)
    began = FakeClock().now()
    bench, plan = await left_open(
        job, {}, RunStatus.WAITING, handle=msgspec.to_builtins(Handle("job-9")), deadline_at=began + 45
    )
    assert (await bench.runner.run(plan)).status is RunStatus.FAILED
    assert bench.clock.now() == began + 45
    assert job.cancelled == ["job-9"]
    bench.close()


async def test_a_job_that_may_have_been_started_is_looked_up_and_adopted():
    job = Job()
    bench, plan = await left_open(job, {}, RunStatus.RUNNING)
    job.put(f"{plan.run_id}-1")
    result = await bench.runner.run(plan)
    assert result.status is RunStatus.SUCCEEDED
    assert len(job.started) == 1
    assert job.polled == ["job-1"]
    bench.close()


async def test_a_job_that_the_look_up_does_not_find_is_started():
    job = Job(settle_s=5)
    bench, plan = await left_open(job, {}, RunStatus.RUNNING)
    result = await bench.runner.run(plan)
    assert result.status is RunStatus.SUCCEEDED
    assert len(job.looked_up) > 1
    assert job.started == [f"{plan.run_id}-1"]
    assert bench.clock.now() >= the_run(bench).created_at + 5
    bench.close()


async def test_a_further_attempt_of_a_job_is_looked_up_by_its_own_marker():
    job = Job()
    bench, plan = await left_open(job, {"retry_count": 3}, RunStatus.RUNNING, attempt=2)
    job.put(f"{plan.run_id}-1")  # failed, and tried again
    job.put(f"{plan.run_id}-2")
    assert (await bench.runner.run(plan)).status is RunStatus.SUCCEEDED
    assert job.polled == ["job-2"]
    assert len(job.started) == 2
    bench.close()


async def test_a_run_that_waits_for_a_retry_starts_a_new_job_then():
    job = Job()
    bench, plan = await left_open(job, {"retry_count": 1}, RunStatus.RETRYING, next_at=0.0)
    assert (await bench.runner.run(plan)).status is RunStatus.SUCCEEDED
    assert job.started == [f"{plan.run_id}-2"]
    bench.close()


@pytest.mark.parametrize(
    ("status", "ok"),
    [
        (RunStatus.SUCCEEDED, True),
        (RunStatus.FAILED, False),
        (RunStatus.UNKNOWN, False),
        (RunStatus.SKIPPED, True),
        (RunStatus.CANCELLED, False),
    ],
)
async def test_a_run_that_has_ended_answers_from_the_journal(status, ok):
    action = Short()
    bench, plan = await left_open(action, {"enabled": False}, status, reason="as it was")
    result = await bench.runner.run(plan)
    assert (result.status, result.message, result.ok) == (status, "as it was", ok)
    assert action.calls == []
    bench.close()


async def test_a_new_rule_may_not_hide_an_open_run():
    """The gate was passed before the crash: it is not asked again for a job that runs."""
    job = Job()
    bench, plan = await left_open(
        job, {"enabled": False}, RunStatus.WAITING, handle=msgspec.to_builtins(Handle("job-9"))
    )
    assert (await bench.runner.run(plan)).status is RunStatus.SUCCEEDED
    assert job.polled == ["job-9"]
    bench.close()


async def test_a_run_that_ended_meanwhile_is_not_overwritten():
    async def ended_elsewhere(ctx):
        await bench.journal.change(the_run(bench), RunStatus.CANCELLED, ctx.clock.now(), "by a human")
        return Outcome.success("too late")

    bench, plan = await left_open(
        Job(ended_elsewhere), {}, RunStatus.WAITING, handle=msgspec.to_builtins(Handle("job-9"))
    )
    await bench.runner.run(plan)
    assert the_run(bench).status is RunStatus.CANCELLED
    bench.close()
