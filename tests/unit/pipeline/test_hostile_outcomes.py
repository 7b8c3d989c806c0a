"""Whatever an action returns, and whatever is missing: the run ends, and the journal goes on."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short

from automation_consumer.clock import SystemClock
from automation_consumer.errors import AutomationError
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.service.recovery import Recovery
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.store.sqlite import SqliteJournal
from automation_consumer.testing import FakeClock, run_action
from automation_consumer.testing.run import Bench

HOSTILE = [
    Outcome.success("\udcff"),
    Outcome.success(output="\udcff"),
    Outcome.success(data={"n": 2**70}),
    Outcome.success(data={"n": "\udcff"}),
    Outcome.success(data={"n": float("nan")}),
    Outcome.success(url="http://x/\udcff"),
]


@pytest.mark.parametrize("outcome", HOSTILE, ids=range(len(HOSTILE)))
async def test_what_no_journal_can_hold_as_it_is(tmp_path, outcome):
    on = Bench({"it": (Short(outcome), {})}, journal=SqliteJournal(str(tmp_path / "j.db"), SystemClock()))
    async with asyncio.timeout(10):
        assert (await on.runner.run(on.plan("it"))).ok
        assert (await on.runner.run(on.plan("it", offset=1))).ok
    assert [run.status for run in await on.journal.live_runs("INC-1")] == [RunStatus.SUCCEEDED] * 2
    on.close()


async def test_a_missing_secret_fails_the_run_before_anything_is_called():
    action = Short()
    ran = await run_action(action, {"text": "$secret:nope"})
    assert ran.run.status is RunStatus.FAILED
    assert "nope" in ran.run.reason
    assert action.calls == []


async def test_a_job_whose_secrets_are_not_in_the_journal_waits_for_its_message():
    journal = MemoryJournal()
    fields = {"text": "$secret:tok"}
    before = Bench({"it": (Job(None), fields)}, secrets={"tok": "value"}, journal=journal, clock=FakeClock())
    running = asyncio.create_task(before.runner.run(before.plan("it")))
    while not any(run.status is RunStatus.WAITING for run in journal.runs.values()):
        await asyncio.sleep(0)
    await before.clock.settle()
    before.engine.pauses.park()
    with pytest.raises(AutomationError):
        await running
    before.close()
    after = Bench({"it": (Job(DONE), fields)}, secrets={"tok": "value"}, journal=journal)
    recovery = Recovery(after.engine, after.runner, after.ruleset)
    assert recovery.start(await journal.open_runs()) == 0
    assert (await after.runner.run(after.plan("it", history=await journal.open_runs()))).ok
    after.close()
