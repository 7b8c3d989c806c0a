"""The checks by themselves: the first that does not allow decides, and a report shows them all."""

from __future__ import annotations

import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.errors import TemplateError
from automation_consumer.model.run import RunStatus
from automation_consumer.model.verdict import Decision
from automation_consumer.pipeline.gate import Gate
from automation_consumer.testing import an_alert
from automation_consumer.testing.run import Bench


@pytest.fixture
def question():
    """A question about an action with these fields; `earlier` is the state of an earlier run, `last` its end."""
    benches = []

    def make(fields, *, earlier: RunStatus | None = None, last: float | None = None, rerun="never"):
        bench = Bench({"it": (Short(), fields)}, condition={"rerun": rerun})
        benches.append(bench)
        alert = an_alert()
        history = []
        if earlier is not None:
            history = [bench.engine.recorder.row(bench.plan("it", alert=alert), {}, earlier)]

        async def last_success(action, target):
            assert (action, target) == ("it", "web1")
            return last

        return bench.plan("it", alert=alert, offset=1, history=history).question(last_success, 1000.0)

    yield make
    for bench in benches:
        bench.close()


async def test_nothing_against_it(question):
    assert (await Gate().ask(question({}))).decision is Decision.ALLOW


async def test_the_report_goes_on_past_the_first_denial(question):
    asked = question(
        {"enabled": False, "when": "false", "cooldown": 60}, earlier=RunStatus.SUCCEEDED, last=999.0
    )
    report = await Gate().report(asked)
    assert [each.check for each in report] == [
        "enabled",
        "stale",
        "resolved",
        "when",
        "rerun",
        "cooldown",
        "paused",
        "budget",
    ]
    denied = [each for each in report if each.decision is Decision.DENY]
    assert [each.check for each in denied] == ["enabled", "when", "rerun", "cooldown"]
    assert all(each.reason for each in denied)
    assert (await Gate().ask(asked)).check == "enabled"


@pytest.mark.parametrize("status", sorted(set(RunStatus) - {RunStatus.SUCCEEDED, RunStatus.UNKNOWN}))
async def test_an_earlier_run_that_decided_nothing_is_no_reason(question, status):
    assert (await Gate().ask(question({}, earlier=status))).decision is Decision.ALLOW


async def test_an_earlier_run_with_an_unknown_effect_is_not_repeated(question):
    verdict = await Gate().ask(question({}, earlier=RunStatus.UNKNOWN, rerun="always"))
    assert (verdict.decision, verdict.check) == (Decision.DENY, "unresolved")


async def test_unless_the_action_says_so(question):
    asked = question({"on_unknown": "rerun"}, earlier=RunStatus.UNKNOWN)
    assert (await Gate().ask(asked)).decision is Decision.ALLOW


@pytest.mark.parametrize(
    ("last", "decision"), [(None, Decision.ALLOW), (941.0, Decision.DENY), (940.0, Decision.ALLOW)]
)
async def test_cooldown_ends_on_the_second(question, last, decision):
    assert (await Gate().ask(question({"cooldown": "1m"}, last=last))).decision is decision


async def test_a_when_without_its_values_is_an_error_not_a_no(question):
    with pytest.raises(TemplateError):
        await Gate().ask(question({"when": "nowhere == 1"}))
