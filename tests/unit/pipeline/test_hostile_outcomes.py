"""Whatever an action returns, and whatever is missing: the run ends, and the journal goes on."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.clock import SystemClock
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.store.sqlite import SqliteJournal
from automation_consumer.testing import run_action
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
