"""The kill switch in the gate: what a pause covers, what it says, and what that means for the rest of the sequence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.model.run import RunStatus
from automation_consumer.model.switch import Scope, Switch
from automation_consumer.model.verdict import Decision, Then
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.runner import Runner
from automation_consumer.testing import an_alert
from automation_consumer.testing.run import Bench

NOW = 1_800_000_000.0


def a_switch(scope=Scope.EVERYTHING, name="", until=None) -> Switch:
    return Switch("p1", scope, name, "kim@laptop", "bad deploy", NOW - 60, until)


def covering(*given):
    return covered(list(given))


def covered(switches):
    """By what is in the list at the moment of the question."""

    def find(condition, action, action_type, now):
        held = (each for each in switches if each.holds(now) and each.covers(condition, action, action_type))
        return next(held, None)

    return find


@pytest.fixture
def bench():
    made = Bench({"drain": (Short(name="drain"), {}), "off": (Short(name="off"), {"enabled": False})})
    yield made
    made.close()


def a_question(bench, action="drain", now=NOW):
    async def never(action, target):
        return None

    return bench.plan(action, alert=an_alert()).question(never, now)


@pytest.mark.parametrize(
    ("scope", "name", "paused"),
    [
        (Scope.EVERYTHING, "", True),
        (Scope.CONDITION, "test", True),
        (Scope.CONDITION, "other", False),
        (Scope.ACTION, "drain", True),
        (Scope.ACTION, "test", False),
        (Scope.ACTION_TYPE, "drain", True),
        (Scope.ACTION_TYPE, "log", False),
        (Scope.INTAKE, "", False),
    ],
)
async def test_what_a_pause_covers(bench, scope, name, paused):
    verdict = await Gate(covering(a_switch(scope, name))).ask(a_question(bench))
    assert (verdict.decision is Decision.DENY) is paused


async def test_it_says_who_why_and_until_when(bench):
    verdict = await Gate(covering(a_switch(until=NOW + 60))).ask(a_question(bench))
    assert verdict.reason == "by kim@laptop until 2027-01-15T08:01:00.000Z: bad deploy (pause p1)"
    assert (verdict.check, verdict.then, verdict.data) == ("paused", Then.HOLD, {"switch": "p1"})
    verdict = await Gate(covering(a_switch())).ask(a_question(bench))
    assert "until somebody resumes it" in verdict.reason


async def test_it_ends_at_its_time(bench):
    gate = Gate(covering(a_switch(until=NOW + 60)))
    assert (await gate.ask(a_question(bench, now=NOW + 59.9))).decision is Decision.DENY
    assert (await gate.ask(a_question(bench, now=NOW + 60))).decision is Decision.ALLOW


async def test_what_would_not_have_run_anyway_is_not_skipped_by_the_pause(bench):
    """So `resume --run-skipped` never runs it. Red with `Paused` first in the gate."""
    verdict = await Gate(covering(a_switch())).ask(a_question(bench, "off"))
    assert verdict.check == "enabled"


async def test_the_last_look_sees_a_pause_that_came_later(bench):
    """What waits for a lock, a slot or its next try is stopped, too. Red when `last_look` allows."""
    switches = []
    gate = Gate(covered(switches))
    question = a_question(bench)
    assert (await gate.ask(question)).decision is Decision.ALLOW
    assert gate.last_look(question).decision is Decision.ALLOW
    switches.append(a_switch())
    assert gate.last_look(question).decision is Decision.DENY


async def test_a_paused_run_is_in_the_journal_with_its_pause():
    """Its result is what it was when the message comes again. Red when `_denied` drops the verdict's data."""
    held = Bench({"drain": (Short(name="drain"), {})})
    held.engine = replace(held.engine, gate=Gate(covering(a_switch())))
    held.runner = Runner(held.engine)
    result = await held.runner.run(held.plan("drain", alert=an_alert()))
    run = held.journal.runs[result.run_id]
    assert (result.status, result.then) == (RunStatus.SKIPPED, Then.HOLD)
    assert (run.data["check"], run.data["switch"]) == ("paused", "p1")
    assert run.reason.startswith("paused: by kim@laptop")
    again = await held.runner.run(held.plan("drain", alert=an_alert(), history=[run]))
    assert again.then is Then.HOLD
    held.close()
