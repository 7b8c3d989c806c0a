"""`max_executions_per_hour`: what the journal knows, and what was allowed and has not begun yet."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.model.run import RunStatus
from automation_consumer.model.verdict import Decision, Then
from automation_consumer.pipeline.gate import Gate
from automation_consumer.testing import an_alert
from automation_consumer.testing.run import Bench

NOW = 1_800_000_000.0


async def never(action, target):
    return None


@pytest.fixture
def bench():
    made = Bench({"it": (Short(name="it"), {"max_executions_per_hour": 3})})
    yield made
    made.close()


def a_question(bench, now=NOW):
    return bench.plan("it", alert=an_alert()).question(never, now)


async def test_the_journal_counts_over_restarts_and_replicas(bench):
    """Red when the check does not ask the journal."""
    for offset in range(2):
        row = bench.engine.recorder.row(bench.plan("it", offset=offset), {}, RunStatus.RUNNING)
        await bench.journal.open(row)
    skipped = bench.engine.recorder.row(bench.plan("it", offset=9), {}, RunStatus.SKIPPED)
    await bench.journal.open(skipped)
    now = bench.clock.now()
    first, second = (Gate(started_since=bench.journal.started_since) for _ in range(2))
    assert (await first.ask(a_question(bench, now))).decision is Decision.ALLOW
    row = bench.engine.recorder.row(bench.plan("it", offset=2), {}, RunStatus.RUNNING)
    await bench.journal.open(row)
    verdict = await second.ask(a_question(bench, now))
    assert (verdict.decision, verdict.check, verdict.then) == (Decision.DENY, "budget", Then.FAIL)
    assert verdict.reason == "it has run 3 times within an hour (`max_executions_per_hour: 3`)"
    assert (await second.ask(a_question(bench, now + 3601))).decision is Decision.ALLOW


async def test_a_burst_does_not_slip_through_before_the_first_has_begun(bench):
    """Red when only the journal is asked: then all of them are allowed at once."""
    gate = Gate(started_since=bench.journal.started_since)
    verdicts = await asyncio.gather(*(gate.ask(a_question(bench)) for _ in range(20)))
    assert sum(each.decision is Decision.ALLOW for each in verdicts) == 3
    later = [await gate.ask(a_question(bench, NOW + 3600)) for _ in range(4)]
    assert [each.decision for each in later] == [*[Decision.ALLOW] * 3, Decision.DENY]


async def test_actions_do_not_share_a_budget():
    bench = Bench({name: (Short(name=name), {"max_executions_per_hour": 1}) for name in "ab"})
    gate = Gate()
    for name in "ab":
        question = bench.plan(name).question(never, NOW)
        assert (await gate.ask(question)).decision is Decision.ALLOW
        assert (await gate.ask(question)).decision is Decision.DENY
    bench.close()
