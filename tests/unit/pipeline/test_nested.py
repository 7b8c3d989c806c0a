"""An action that runs another one: under its slot and locks, through the same gate, answered by the journal."""

from __future__ import annotations

import asyncio

from tests.unit.pipeline.acting import DONE, Short

from automation_consumer.errors import TemporaryError
from automation_consumer.model.run import RunStatus
from automation_consumer.testing.run import Bench


def bench(outer, fields=None, *, inner=None, slots=16) -> Bench:
    return Bench(
        {
            "outer": (Short(outer, name="outer"), fields or {}),
            "inner": (inner or Short(name="inner"), {"lock": "x"}),
        },
        slots=slots,
    )


async def calls_once(ctx):
    return await ctx.run_action("inner")


async def test_the_inner_run_shares_the_slot_and_the_lock_of_the_outer_one():
    on = bench(calls_once, {"lock": "x"}, slots=1)
    async with asyncio.timeout(5):
        assert (await on.runner.run(on.plan("outer"))).ok
    assert sorted(run.action for run in on.journal.runs.values()) == ["inner", "outer"]
    on.close()


async def test_two_calls_of_one_action_are_two_runs():
    async def outer(ctx):
        await ctx.run_action("inner")
        await ctx.run_action("inner")
        return DONE

    on = bench(outer)
    assert (await on.runner.run(on.plan("outer"))).ok
    assert sorted(run.action for run in on.journal.runs.values()) == ["inner", "inner", "outer"]
    on.close()


async def test_a_further_attempt_does_not_repeat_what_has_succeeded():
    inner = Short(name="inner")
    tries = []

    async def outer(ctx):
        await ctx.run_action("inner")
        tries.append(1)
        if len(tries) == 1:
            raise TemporaryError("not yet")
        return DONE

    on = bench(outer, {"retry_count": 1}, inner=inner)
    assert (await on.runner.run(on.plan("outer"))).ok
    assert len(tries) == 2
    assert len(inner.calls) == 1
    on.close()


async def test_actions_that_run_each_other_are_refused():
    async def back(ctx):
        return await ctx.run_action("outer")

    on = bench(calls_once, inner=Short(back, name="inner"))
    assert not (await on.runner.run(on.plan("outer"))).ok
    assert {run.status for run in on.journal.runs.values()} == {RunStatus.FAILED}
    assert len(on.journal.runs) == 2
    on.close()
