"""What a condition makes of one match: order, failure, and what comes after."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.errors import EffectUnknownError
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.outcome import Outcome
from automation_consumer.pipeline.handle import ConditionResult, Handling
from automation_consumer.pipeline.plan import History, Progress
from automation_consumer.testing import FakeClock, an_alert, an_incident
from automation_consumer.testing.run import Bench


class World:
    """Actions `a`, `b`, …, whose calls are noted as `action:alert`; `bad` says which of them fail."""

    def __init__(self, condition, *, alerts=("1",), bad=(), unknown=(), options=None, slow_s=0.0) -> None:
        self.calls: list[str] = []
        self.now = 0
        self.most = 0
        self._bad, self._unknown, self._slow_s = set(bad), set(unknown), slow_s
        names = {name for value in condition.values() if isinstance(value, list) for name in value}
        self.clock = FakeClock(auto=not slow_s)
        self.bench = Bench(
            {name: (Short(self._step(name), name=name), (options or {}).get(name, {})) for name in names},
            clock=self.clock,
            condition=condition,
        )
        self.incident = an_incident(alerts=[an_alert(each) for each in alerts])

    def _step(self, name):
        async def act(ctx):
            call = f"{name}:{ctx.alert.id}" if ctx.alert else name
            self.calls.append(call)
            self.now += 1
            self.most = max(self.most, self.now)
            if self._slow_s:
                await ctx.clock.sleep(self._slow_s)
            self.now -= 1
            if call in self._unknown:
                raise EffectUnknownError("no answer")
            return Outcome(call not in self._bad, call)

        return act

    async def handle(self) -> ConditionResult:
        match = Match("test", self.incident, self.incident.alerts)
        message = Message("incidents", 0, 0, b"")
        handling = Handling(
            self.bench.runner, message, self.bench.ruleset, match, History(), Progress(), False
        )
        try:
            return await handling.run()
        finally:
            self.bench.close()


WHOLE = {
    "checks": ["check"],
    "parallel_alert_processing": False,
    "alert_actions": ["a", "b"],
    "incident_actions": ["i"],
    "on_success": ["yes"],
    "on_failure": ["no"],
}


async def test_the_order_of_it_all():
    world = World(WHOLE, alerts="12")
    assert await world.handle() is ConditionResult.SUCCEEDED
    assert world.calls == ["check", "a:1", "b:1", "a:2", "b:2", "i", "yes"]


async def test_a_failed_check_stops_everything():
    world = World(WHOLE, bad=["check"])
    assert await world.handle() is ConditionResult.STOPPED
    assert world.calls == ["check"]


async def test_a_failure_ends_the_sequence_of_its_alert_only():
    world = World(WHOLE, alerts="12", bad=["a:1"])
    assert await world.handle() is ConditionResult.PARTIAL
    assert world.calls == ["check", "a:1", "a:2", "b:2", "i", "no"]


async def test_continue_on_failure_goes_on_but_hides_nothing():
    world = World(WHOLE, bad=["a:1"], options={"a": {"continue_on_failure": True}})
    assert await world.handle() is not ConditionResult.SUCCEEDED
    assert world.calls == ["check", "a:1", "b:1", "i", "no"]


ALERTS_ONLY = {"alert_actions": ["a"], "on_success": ["yes"], "on_failure": ["no"]}


@pytest.mark.parametrize(
    ("bad", "result", "last"),
    [
        ([], ConditionResult.SUCCEEDED, "yes"),
        (["a:1"], ConditionResult.PARTIAL, "no"),
        (["a:1", "a:2"], ConditionResult.FAILED, "no"),
    ],
)
async def test_the_result_of_the_alerts(bad, result, last):
    world = World(ALERTS_ONLY, alerts="12", bad=bad)
    assert await world.handle() is result
    assert world.calls[-1] == last
    assert {"yes", "no"} & set(world.calls) == {last}


async def test_incident_actions_alone_decide_where_there_are_no_others():
    world = World({"incident_actions": ["i"], "on_failure": ["no"]}, bad=["i"])
    assert await world.handle() is ConditionResult.FAILED
    assert world.calls == ["i", "no"]


async def test_incident_actions_that_fail_after_good_alerts_make_it_partial():
    world = World(WHOLE, bad=["i"])
    assert await world.handle() is ConditionResult.PARTIAL


async def test_a_failing_on_success_changes_nothing():
    world = World(ALERTS_ONLY, bad=["yes"])
    assert await world.handle() is ConditionResult.SUCCEEDED
    assert world.calls == ["a:1", "yes"]


async def test_what_a_check_skipped_stands_in_nobody_s_way():
    world = World(WHOLE, options={"a": {"enabled": False}})
    assert await world.handle() is ConditionResult.SUCCEEDED
    assert world.calls == ["check", "b:1", "i", "yes"]


@pytest.mark.parametrize(("parallel", "takes_s"), [(True, 20), (False, 40)])
async def test_alerts_go_side_by_side_as_many_as_the_condition_says(parallel, takes_s):
    condition = {
        "alert_actions": ["a"],
        "max_concurrent_alerts": 2,
        "parallel_alert_processing": parallel,
    }
    world = World(condition, alerts="1234", slow_s=10)
    began = world.clock.now()
    task = asyncio.create_task(world.handle())
    await world.clock.advance(takes_s - 1)
    assert not task.done()
    await world.clock.advance(1)
    assert task.done()
    assert world.clock.now() - began == takes_s
    assert world.most == (2 if parallel else 1)


async def test_fail_fast_starts_no_further_alerts_and_lets_those_running_finish():
    condition = {"alert_actions": ["a", "b"], "max_concurrent_alerts": 2, "fail_fast": True}
    world = World(condition, alerts="1234", slow_s=10, bad=["a:1"])
    task = asyncio.create_task(world.handle())
    await world.clock.advance(100)
    assert await task is ConditionResult.PARTIAL
    assert world.calls == ["a:1", "a:2", "b:2"]


async def test_without_fail_fast_every_alert_is_handled():
    condition = {"alert_actions": ["a"], "parallel_alert_processing": False}
    world = World(condition, alerts="1234", bad=["a:1", "a:2"])
    assert await world.handle() is ConditionResult.PARTIAL
    assert world.calls == ["a:1", "a:2", "a:3", "a:4"]


async def test_an_action_that_stands_twice_runs_twice():
    world = World({"alert_actions": ["a", "a"]})
    assert await world.handle() is ConditionResult.SUCCEEDED
    assert world.calls == ["a:1", "a:1"]


@pytest.mark.parametrize(
    ("options", "asked"),
    [({}, True), ({"a": {"on_unknown": "escalate"}}, True), ({"a": {"on_unknown": "fail"}}, False)],
)
async def test_an_unknown_effect_is_a_failure_and_escalates_unless_the_action_says_fail(options, asked):
    """Red when `on_unknown: escalate` is no longer the default, or `escalation` is not run."""
    condition = {"alert_actions": ["a"], "on_failure": ["no"], "escalation": ["page"]}
    world = World(condition, unknown=["a:1"], options=options)
    assert await world.handle() is ConditionResult.FAILED
    assert world.calls == ["a:1", "no", *(["page"] if asked else [])]


async def test_a_failure_that_is_known_does_not_escalate():
    world = World({"alert_actions": ["a"], "escalation": ["page"]}, bad=["a:1"])
    assert await world.handle() is ConditionResult.FAILED
    assert world.calls == ["a:1"]
