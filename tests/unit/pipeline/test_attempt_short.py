"""The attempts of a short action: what its errors make of the run, and what the journal says of each."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Short

from automation_consumer.errors import (
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    TemporaryError,
)
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.plugin import Effect
from automation_consumer.testing import FakeClock, an_alert, run_action


def statuses(ran) -> list[str]:
    return [str(change.status) for change in ran.changes]


async def test_success_is_recorded_with_everything_the_action_reported():
    outcome = Outcome.success("fine", url="https://x.example/1", output="log", data={"n": 1})
    ran = await run_action(Short(outcome), {"text": "{{ host }}"}, alert=an_alert(host="web7"))
    assert ran.result.ok
    assert statuses(ran) == ["running", "succeeded"]
    assert (ran.run.reason, ran.run.url, ran.run.output, ran.run.data) == (
        "fine",
        outcome.url,
        "log",
        {"n": 1},
    )
    assert ran.run.params == {"text": "web7"}
    assert ran.run.ended_at is not None


async def test_a_bad_outcome_fails_the_run_and_is_not_tried_again_unasked():
    action = Short(Outcome.failure("no space left"))
    ran = await run_action(action, {})
    assert (ran.run.status, ran.run.reason, ran.result.ok) == (RunStatus.FAILED, "no space left", False)
    assert len(action.calls) == 1


async def test_a_bad_outcome_is_worth_the_retries_that_were_asked_for():
    action = Short(Outcome.failure("no space left"), DONE)
    ran = await run_action(action, {"retry_count": 1, "retry_delay": 1})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert len(action.calls) == 2


async def test_a_temporary_error_is_retried_and_each_retry_stands_in_the_journal():
    clock = FakeClock(auto=True)
    action = Short(TemporaryError("busy"), TemporaryError("still busy"), DONE)
    ran = await run_action(action, {"retry_count": 2, "retry_delay": 1}, clock=clock)
    assert statuses(ran) == ["running", "retrying", "running", "retrying", "running", "succeeded"]
    assert [change.detail for change in ran.changes if change.status is RunStatus.RETRYING] == [
        "attempt 1: busy",
        "attempt 2: still busy",
    ]
    assert ran.run.attempt == 3
    assert ran.run.next_at is None
    first, second = clock.slept
    assert 1 <= first <= 1.25
    assert 2 <= second <= 2.5


async def test_each_attempt_has_a_run_key_of_its_own():
    action = Short(TemporaryError("busy"), DONE)
    ran = await run_action(action, {"retry_count": 1, "retry_delay": 1})
    assert action.keys == [f"{ran.run.id}-1", f"{ran.run.id}-2"]


async def test_a_system_that_says_when_to_come_again_is_obeyed():
    clock = FakeClock(auto=True)
    action = Short(TemporaryError("busy", retry_after_s=120), DONE)
    await run_action(action, {"retry_count": 1, "retry_delay": 1}, clock=clock)
    assert clock.slept == [120]


async def test_a_shorter_retry_after_does_not_shorten_the_delay():
    clock = FakeClock(auto=True)
    action = Short(TemporaryError("busy", retry_after_s=0.1), DONE)
    await run_action(action, {"retry_count": 1, "retry_delay": 1}, clock=clock)
    assert 1 <= clock.slept[0] <= 1.25


async def test_when_no_tries_are_left_the_last_error_is_the_reason():
    action = Short(TemporaryError("first"), TemporaryError("second"))
    ran = await run_action(action, {"retry_count": 1, "retry_delay": 1})
    assert (ran.run.status, ran.run.reason) == (RunStatus.FAILED, "second")
    assert len(action.calls) == 2


async def test_a_permanent_error_is_not_tried_again():
    action = Short(PermanentError("no such host"))
    ran = await run_action(action, {"retry_count": 5, "retry_delay": 1})
    assert (ran.run.status, ran.run.reason) == (RunStatus.FAILED, "no such host")
    assert len(action.calls) == 1


@pytest.mark.parametrize("error", [EffectUnknownError("cut off"), LookupImpossibleError("cut off")])
async def test_an_unknown_effect_is_never_repeated_blindly(error):
    action = Short(error)
    ran = await run_action(action, {"retry_count": 5, "retry_delay": 1})
    assert (ran.run.status, ran.run.reason, ran.result.ok) == (RunStatus.UNKNOWN, "cut off", False)
    assert len(action.calls) == 1


async def test_an_unknown_effect_of_what_does_no_harm_twice_is_retried():
    action = Short(EffectUnknownError("cut off"), DONE, repeatable=True)
    ran = await run_action(action, {"retry_count": 1, "retry_delay": 1})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert len(action.calls) == 2


async def test_on_unknown_rerun_makes_an_unknown_effect_worth_a_retry():
    action = Short(EffectUnknownError("cut off"), DONE)
    ran = await run_action(action, {"retry_count": 1, "retry_delay": 1, "on_unknown": "rerun"})
    assert ran.run.status is RunStatus.SUCCEEDED
    assert len(action.calls) == 2


@pytest.mark.parametrize(
    ("effect", "status"),
    [
        (Effect.CHANGE, RunStatus.UNKNOWN),
        (Effect.NOTIFY, RunStatus.FAILED),
        (Effect.READ, RunStatus.FAILED),
    ],
)
async def test_a_mistake_in_a_plugin_ends_its_run_only(effect, status):
    action = Short(ZeroDivisionError("oops"), effect=effect)
    ran = await run_action(action, {"retry_count": 3, "retry_delay": 1})
    assert ran.run.status is status
    assert ran.run.reason == "mistake in action type 'short': ZeroDivisionError: oops"
    assert len(action.calls) == 1


async def test_the_common_timeout_ends_a_call_that_gives_no_answer():
    clock = FakeClock()
    answer = asyncio.Event()

    async def hang(ctx):
        await answer.wait()
        return DONE

    running = asyncio.create_task(run_action(Short(hang), {"timeout": "10s"}, clock=clock))
    await clock.advance(9)
    assert not running.done()
    await clock.advance(1)
    ran = await running
    assert ran.run.status is RunStatus.UNKNOWN
    assert "no answer within 10 s" in ran.run.reason


async def test_a_plain_method_runs_in_the_pool_and_can_be_timed_out_too():
    class Plain(Short):
        def run(self, ctx, params):
            return DONE

    ran = await run_action(Plain(name="plain"), {"timeout": 60}, clock=FakeClock())
    assert ran.run.status is RunStatus.SUCCEEDED


async def test_the_timeout_covers_the_retries():
    clock = FakeClock(auto=True)

    async def slow(ctx):
        await ctx.clock.sleep(6)
        raise TemporaryError("busy")

    action = Short(slow, repeatable=True)
    ran = await run_action(action, {"timeout": 10, "retry_count": 50, "retry_delay": 1}, clock=clock)
    assert not ran.result.ok
    assert len(action.calls) <= 3


async def test_a_value_that_is_not_there_fails_the_run_before_it_acts():
    action = Short()
    ran = await run_action(action, {"text": "{{ nowhere }}"})
    assert ran.run.status is RunStatus.FAILED
    assert "nowhere" in ran.run.reason
    assert statuses(ran) == ["failed"]
    assert action.calls == []


async def test_a_secret_is_the_action_s_alone():
    async def leak(ctx):
        return Outcome.failure(
            f"token s3cret-value of {ctx.secret('other')} is bad",
            output="curl -H s3cret-value",
            data={"header": ["s3cret-value"], "deep": {"x": "other-value"}},
        )

    action = Short(leak)
    ran = await run_action(
        action, {"text": "Bearer $secret:token"}, secrets={"token": "s3cret-value", "other": "other-value"}
    )
    assert action.calls == ["Bearer s3cret-value"]
    written = f"{ran.run} {ran.changes}"
    assert "s3cret-value" not in written
    assert "other-value" not in written
    assert ran.run.params == {"text": "Bearer ***"}


async def test_a_dry_run_calls_nothing():
    action = Short()
    ran = await run_action(action, {"text": "$secret:token"}, secrets={"token": "s3cret-value"}, dry_run=True)
    assert ran.run.status is RunStatus.PREVIEWED
    assert ran.run.reason == "would run short"
    assert ran.result.ok
    assert action.calls == []
    assert "s3cret-value" not in str(ran.run)


async def test_a_dry_run_and_a_real_one_of_a_message_are_two_runs():
    real = await run_action(Short(), {})
    dry = await run_action(Short(), {}, dry_run=True)
    assert real.run.id != dry.run.id


async def test_output_keeps_its_end():
    ran = await run_action(Short(Outcome.success(output="x" * 20_000 + "the end")), {})
    assert ran.run.output is not None
    assert ran.run.output.endswith("the end")
    assert len(ran.run.output) == 8_192
