"""Incidents that are too old: how old they are, and when that is asked."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.model.run import RunStatus
from automation_consumer.model.verdict import Decision, Then
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.plan import History
from automation_consumer.testing import an_alert, an_incident
from automation_consumer.testing.run import Bench

NOW = 1_800_000_000.0


async def never(action, target):
    return None


@pytest.fixture
def plan():
    """A plan of one action, under a condition with `max_age: 1h`, for an incident with these fields."""
    benches = []

    def make(message_ms=0, condition=None, **fields):
        bench = Bench({"it": (Short(), {})}, condition={"max_age": "1h"} if condition is None else condition)
        benches.append(bench)
        made = bench.plan("it", an_incident(**fields), alert=an_alert())
        message = msgspec.structs.replace(made.message, timestamp_ms=message_ms)
        return replace(made, message=message)

    yield make
    for bench in benches:
        bench.close()


async def ask(plan, now=NOW):
    return await Gate().ask(plan.question(never, now))


async def test_an_old_incident_is_not_acted_on(plan):
    verdict = await ask(plan(updated_at=NOW - 9000))
    assert (verdict.decision, verdict.check, verdict.then) == (Decision.DENY, "stale", Then.STOP)
    assert verdict.reason == "the incident is 2.5 h old, more than `max_age` (60 min)"


@pytest.mark.parametrize(
    ("times", "old"),
    [
        ({"updated_at": NOW - 3600}, False),  # exactly as old as it may be
        ({"updated_at": NOW - 3600.1}, True),
        ({"updated_at": NOW - 60, "started_at": NOW - 86400}, False),  # a long one that goes on
        ({"started_at": NOW - 7200}, True),
        ({"message_ms": int((NOW - 7200) * 1000)}, True),
        ({"message_ms": int(NOW * 1000), "started_at": NOW - 7200}, True),
        ({"updated_at": NOW + 600}, False),  # a clock that is ahead
        ({}, False),  # nobody can tell
    ],
)
async def test_its_age(plan, times, old):
    """Since the last update, else the start, else the message. Red when the order of the three is changed."""
    assert ((await ask(plan(**times))).decision is Decision.DENY) is old


async def test_without_a_limit_nothing_is_too_old(plan):
    assert (await ask(plan(condition={}, updated_at=1.0))).decision is Decision.ALLOW


async def test_the_limit_of_all_conditions_and_a_conditions_own(plan):
    """Red when the condition's own `max_age` does not win."""

    def under(made, limit_s):
        config = made.ruleset.config
        limits = config.settings.limits.model_copy(update={"max_age": limit_s})
        settings = config.settings.model_copy(update={"limits": limits})
        return replace(made, ruleset=replace(made.ruleset, config=replace(config, settings=settings)))

    assert (await ask(under(plan(condition={}, updated_at=NOW - 61), 60.0))).decision is Decision.DENY
    assert (await ask(under(plan(updated_at=NOW - 61), 60.0))).decision is Decision.ALLOW


async def test_what_was_begun_is_finished(plan):
    """A sequence must not stop half done because its first job took an hour. Red when the age is taken at each question."""
    made = plan(updated_at=NOW - 3000)
    assert (await ask(made)).decision is Decision.ALLOW
    assert (await ask(made, NOW + 7200)).decision is Decision.ALLOW
    assert (await ask(plan(updated_at=NOW - 3000), NOW + 7200)).decision is Decision.DENY


@pytest.mark.parametrize(
    ("check", "status", "decision"),
    [
        (None, RunStatus.SUCCEEDED, Decision.ALLOW),
        ("when", RunStatus.SKIPPED, Decision.ALLOW),
        ("stale", RunStatus.SKIPPED, Decision.DENY),
    ],
)
async def test_what_was_begun_before_a_restart_is_finished(plan, check, status, decision):
    """Red when a restart asks for the age again."""
    made = plan(updated_at=NOW - 7200)
    bench = Bench({"it": (Short(), {})})
    row = bench.engine.recorder.row(replace(made, position="1"), {}, status)
    bench.close()
    earlier = msgspec.structs.replace(row, data={"check": check} if check else {})
    assert (await ask(replace(made, history=History([earlier])))).decision is decision
    other = msgspec.structs.replace(earlier, offset=99)
    assert (await ask(replace(made, history=History([other])))).decision is Decision.DENY


async def test_what_an_operator_wants_again_is_not_too_old(plan):
    assert (await ask(replace(plan(updated_at=1.0), request="q1"))).decision is Decision.ALLOW
