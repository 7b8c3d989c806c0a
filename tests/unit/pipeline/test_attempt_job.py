"""The attempts of a remote job: started once, followed to its end, looked up before anything is repeated."""

from __future__ import annotations

import pytest
from tests.unit.pipeline.acting import DONE, Job, Started

from automation_consumer.errors import (
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    TemporaryError,
)
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.testing import FakeClock, run_action


def statuses(ran) -> list[str]:
    return [str(change.status) for change in ran.changes]


async def test_a_job_is_started_with_the_run_key_and_polled_until_it_ends():
    clock = FakeClock(auto=True)
    began = clock.now()
    job = Job(None, None, DONE, interval_s=30)
    ran = await run_action(job, {}, clock=clock)
    assert ran.run.status is RunStatus.SUCCEEDED
    assert statuses(ran) == ["running", "waiting", "succeeded"]
    assert job.started == [f"{ran.run.id}-1"]
    assert [at - began for at in job.polled_at] == [30, 60, 90]
    assert ran.run.handle is not None
    assert ran.run.handle["id"] == "job-1"
    assert ran.run.url == f"https://jobs.example/{ran.run.id}-1"
    assert ran.changes[1].detail == "started job job-1"


async def test_a_job_that_failed_fails_the_run():
    ran = await run_action(Job(Outcome.failure("red")), {})
    assert (ran.run.status, ran.run.reason) == (RunStatus.FAILED, "red")


async def test_a_job_that_failed_is_started_anew_with_a_new_marker_if_retries_were_asked_for():
    job = Job(Outcome.failure("red"), DONE)
    ran = await run_action(job, {"retry_count": 1, "retry_delay": 1})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert job.started == [f"{ran.run.id}-1", f"{ran.run.id}-2"]
    assert statuses(ran) == ["running", "waiting", "retrying", "running", "waiting", "succeeded"]


async def test_a_lost_answer_is_looked_up_and_the_job_adopted():
    job = Job(submits=(Started(EffectUnknownError("connection reset")),))
    ran = await run_action(job, {"retry_count": 3, "retry_delay": 1})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert len(job.started) == 1
    assert job.polled == ["job-1"]
    assert any("adopted job job-1" in change.detail for change in ran.changes)


async def test_a_lost_request_is_repeated_once_the_look_up_found_nothing():
    job = Job(submits=(EffectUnknownError("connection reset"),))
    ran = await run_action(job, {"retry_count": 1, "retry_delay": 1})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert job.looked_up == [f"{ran.run.id}-1"]
    assert len(job.started) == 1


async def test_a_lost_request_without_retries_fails_and_says_that_nothing_was_started():
    ran = await run_action(Job(submits=(EffectUnknownError("connection reset"),)), {})
    assert ran.run.status is RunStatus.FAILED
    assert "connection reset; looked up: nothing was started" in ran.run.reason


async def test_the_look_up_waits_as_long_as_a_job_may_still_appear():
    clock = FakeClock(auto=True)
    began = clock.now()
    job = Job(submits=(Started(EffectUnknownError("timed out")),), finds=(None, None, None), settle_s=10)
    ran = await run_action(job, {"retry_count": 1, "retry_delay": 1}, clock=clock)
    assert ran.run.status is RunStatus.SUCCEEDED
    assert len(job.started) == 1
    assert len(job.looked_up) == 4
    assert clock.now() - began >= 3


async def test_a_look_up_that_is_down_for_a_moment_is_asked_again():
    job = Job(
        submits=(Started(EffectUnknownError("timed out")),),
        finds=(TemporaryError("busy", retry_after_s=7), TemporaryError("busy")),
    )
    clock = FakeClock(auto=True)
    ran = await run_action(job, {}, clock=clock)
    assert ran.run.status is RunStatus.SUCCEEDED
    assert clock.slept[:2] == [7, 5]
    assert len(job.started) == 1


async def test_a_look_up_that_stays_down_leaves_the_effect_unknown():
    job = Job(
        submits=(EffectUnknownError("timed out"),), finds=tuple(TemporaryError("busy") for _ in range(1000))
    )
    ran = await run_action(job, {"retry_count": 5, "retry_delay": 1})
    assert ran.run.status is RunStatus.UNKNOWN
    assert job.started == []


async def test_a_system_that_cannot_be_asked_leaves_the_effect_unknown():
    job = Job(submits=(EffectUnknownError("timed out"),), finds=(LookupImpossibleError("no such API"),))
    ran = await run_action(job, {"retry_count": 5, "retry_delay": 1})
    assert (ran.run.status, ran.run.reason) == (RunStatus.UNKNOWN, "no such API")
    assert job.started == []


async def test_a_submit_that_did_nothing_is_retried():
    job = Job(submits=(TemporaryError("503"),))
    ran = await run_action(job, {"retry_count": 1, "retry_delay": 1})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert job.looked_up == []
    assert job.started == [f"{ran.run.id}-2"]


async def test_a_mistake_in_submit_is_looked_up_too():
    job = Job(submits=(Started(KeyError("build")),))
    ran = await run_action(job, {})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert len(job.started) == 1


async def test_a_poll_that_fails_for_a_moment_lets_the_job_go_on():
    job = Job(TemporaryError("502"), TemporaryError("502", retry_after_s=100), DONE, interval_s=30)
    clock = FakeClock(auto=True)
    began = clock.now()
    ran = await run_action(job, {}, clock=clock)
    assert ran.run.status is RunStatus.SUCCEEDED
    assert [at - began for at in job.polled_at] == [30, 60, 160]
    assert len(job.started) == 1


async def test_a_job_that_cannot_be_followed_any_more_ends_unknown():
    job = Job(PermanentError("403"))
    ran = await run_action(job, {"retry_count": 3, "retry_delay": 1})
    assert ran.run.status is RunStatus.UNKNOWN
    assert "job job-1 runs, but cannot be followed: 403" in ran.run.reason
    assert len(job.started) == 1


@pytest.mark.parametrize(
    ("job_timeout", "fields", "cancelled_after_s"),
    [(100, {}, 100), (None, {"timeout": 70}, 70), (100, {"timeout": 70}, 70), (70, {"timeout": 100}, 70)],
)
async def test_a_job_whose_time_is_up_is_cancelled(job_timeout, fields, cancelled_after_s):
    job = Job(None, interval_s=30, timeout_s=job_timeout)
    clock = FakeClock(auto=True)
    began = clock.now()
    ran = await run_action(job, fields, clock=clock)
    assert ran.run.status is RunStatus.FAILED
    assert ran.run.reason == f"timed out after {cancelled_after_s} s; job job-1 was cancelled"
    assert job.cancelled == ["job-1"]
    assert clock.now() - began == cancelled_after_s
    assert job.polled_at[-1] - began == cancelled_after_s  # it may just have ended


async def test_a_job_that_ends_in_its_last_moment_has_succeeded():
    job = Job(None, None, None, DONE, interval_s=30, timeout_s=100)
    ran = await run_action(job, {})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert job.cancelled == []


async def test_a_job_that_cannot_be_cancelled_ends_unknown():
    job = Job(None, interval_s=30, timeout_s=60, cancels=(PermanentError("not allowed"),))
    ran = await run_action(job, {})
    assert ran.run.status is RunStatus.UNKNOWN
    assert "could not be cancelled: not allowed" in ran.run.reason


async def test_an_interval_of_zero_polls_at_once():
    clock = FakeClock(auto=True)
    ran = await run_action(Job(DONE, interval_s=0), {}, clock=clock)
    assert ran.run.status is RunStatus.SUCCEEDED
    assert clock.slept == []


async def test_a_dry_run_starts_no_job():
    job = Job()
    ran = await run_action(job, {}, dry_run=True)
    assert ran.run.status is RunStatus.PREVIEWED
    assert (job.started, job.looked_up, job.polled) == ([], [], [])


@pytest.mark.parametrize("jump_s", [3600, -3600])
async def test_a_wall_clock_that_jumps_neither_times_a_job_out_nor_delays_its_polls(jump_s):
    """Red when a wait or a limit within one process is measured by the wall clock."""
    clock = FakeClock(auto=True)

    async def jump(ctx):
        clock.jump(jump_s)

    job = Job(jump, None, DONE, interval_s=30, timeout_s=300)
    before = clock.monotonic()
    ran = await run_action(job, {"timeout": 600}, clock=clock)
    assert ran.run.status is RunStatus.SUCCEEDED
    assert job.cancelled == []
    assert clock.monotonic() - before == 90
