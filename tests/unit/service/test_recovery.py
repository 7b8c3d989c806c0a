"""What the service takes up at its start, before any message has come."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short

from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.pipeline.engine import ParkedError
from automation_consumer.service.recovery import Recovery
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock
from automation_consumer.testing.run import Bench


async def after_a_stop(first: Job, second: Job, fields):
    """A bench in a second process, whose journal has what the first one left when it was parked."""
    journal, clock = MemoryJournal(), FakeClock()
    bench = Bench({"it": (first, fields)}, journal=journal, clock=clock)
    task = asyncio.create_task(bench.runner.run(bench.plan("it")))
    await clock.settle()
    bench.engine.pauses.park()
    with pytest.raises(ParkedError):
        await task
    bench.close()
    return Bench({"it": (second, fields)}, journal=journal, clock=FakeClock(clock.now(), auto=True))


async def recovered(bench) -> tuple[int, Run]:
    recovery = Recovery(bench.engine, bench.runner, bench.ruleset)
    count = recovery.start(await bench.journal.open_runs())
    await recovery.idle()
    [run] = bench.journal.runs.values()
    bench.close()
    return count, run


async def test_a_job_that_the_journal_knows_is_followed_before_its_message_comes():
    second = Job(None, DONE)
    bench = await after_a_stop(Job(None), second, {"text": "x"})
    count, run = await recovered(bench)
    assert (count, run.status) == (1, RunStatus.SUCCEEDED)
    assert second.polled == ["job-1", "job-1"]
    assert second.started == []
    assert second.texts == ["x", "x"]


async def test_its_message_then_finds_the_result():
    bench = await after_a_stop(Job(None), Job(DONE), {})
    recovery = Recovery(bench.engine, bench.runner, bench.ruleset)
    recovery.start(await bench.journal.open_runs())
    history = await bench.journal.live_runs("INC-1")
    result = await bench.runner.run(bench.plan("it", history=history))
    await recovery.idle()
    assert result.status is RunStatus.SUCCEEDED
    [run] = bench.journal.runs.values()
    assert run.status is RunStatus.SUCCEEDED
    bench.close()


async def test_a_job_that_failed_leaves_its_further_tries_to_the_message():
    second = Job(Outcome.failure("red"), DONE)
    bench = await after_a_stop(Job(None), second, {"retry_count": 1, "retry_delay": 1})
    recovery = Recovery(bench.engine, bench.runner, bench.ruleset)
    recovery.start(await bench.journal.open_runs())
    await recovery.idle()
    [run] = bench.journal.runs.values()
    assert run.status is RunStatus.RETRYING
    assert second.started == []
    result = await bench.runner.run(bench.plan("it", history=[run]))
    assert result.status is RunStatus.SUCCEEDED
    assert second.started == [f"{run.id}-2"]
    bench.close()


async def test_a_job_that_failed_with_no_tries_left_has_failed():
    bench = await after_a_stop(Job(None), Job(Outcome.failure("red")), {})
    _, run = await recovered(bench)
    assert (run.status, run.reason) == (RunStatus.FAILED, "red")


async def test_runs_without_a_job_wait_for_their_message():
    journal = MemoryJournal()
    action = Short()
    bench = Bench({"it": (action, {})}, journal=journal)
    await journal.open(bench.engine.recorder.row(bench.plan("it"), {}, RunStatus.RUNNING))
    count, run = await recovered(bench)
    assert (count, run.status, action.calls) == (0, RunStatus.RUNNING, [])


async def test_a_run_whose_action_is_gone_stays_as_it_is():
    bench = await after_a_stop(Job(None), Job(DONE), {})
    other = Bench({"new": (Short(), {})}, journal=bench.journal)
    count, run = await recovered(other)
    assert (count, run.status) == (1, RunStatus.WAITING)
    bench.close()
