"""What the journal is given: texts without secrets, in the parameters too, and nothing that it cannot hold."""

from __future__ import annotations

import pytest
from tests.unit.pipeline.acting import Short

from automation_consumer.config.masking import Masker
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.pipeline.record import OUTPUT_TAIL, REASON_LENGTH, Recorder
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock
from automation_consumer.testing.run import Bench

SECRET = "hunter2-of-ours"


@pytest.fixture
def bench():
    made = Bench({"it": (Short(), {})})
    yield made
    made.close()


@pytest.fixture
def journal():
    return MemoryJournal()


@pytest.fixture
def recorder(journal):
    masker = Masker()
    masker.add(SECRET)
    return Recorder(journal, FakeClock(), masker.mask)


def test_rendered_parameters_are_masked_keys_too(bench, recorder):
    """Red when `row` takes `params` as they are, or `_masked` leaves the keys."""
    params = {
        "text": f"the key is {SECRET}",
        f"x-{SECRET}": 1,
        "nested": {SECRET: [f"a{SECRET}", {"deep": f"{SECRET}z"}], "tuple": (SECRET, 2)},
        "n": 7,
        "no": None,
    }
    run = recorder.row(bench.plan("it"), params, RunStatus.RUNNING)
    assert SECRET not in str(run)
    assert run.params == {
        "text": "the key is ***",
        "x-***": 1,
        "nested": {"***": ["a***", {"deep": "***z"}], "tuple": ["***", 2]},
        "n": 7,
        "no": None,
    }


async def test_what_an_action_says_is_masked_and_bounded(bench, recorder, journal):
    """Red without the mask around any one of them, or without the cut."""
    plan = bench.plan("it")
    run = await recorder.begin(recorder.row(plan, {}, RunStatus.RUNNING), plan.message)
    outcome = Outcome.failure(
        f"{SECRET} " + "r" * 9_000,
        url=f"https://jobs.example/?token={SECRET}",
        output="o" * 20_000 + SECRET,
        data={SECRET: [SECRET]},
    )
    assert await recorder.close(run, RunStatus.FAILED, outcome)
    [closed] = journal.runs.values()
    assert SECRET not in str(closed) + str(journal.changes)
    assert closed.reason.startswith("*** ")
    assert len(closed.reason) == REASON_LENGTH
    assert closed.output.endswith("***")
    assert len(closed.output) == OUTPUT_TAIL
    assert (closed.url, closed.data) == ("https://jobs.example/?token=***", {"***": ["***"]})


def test_what_no_journal_can_hold_is_replaced(bench, recorder):
    run = recorder.row(bench.plan("it"), {"a\ud800": "b\ud800"}, RunStatus.SKIPPED, "c\ud800")
    assert (run.params, run.reason) == ({"a?": "b?"}, "c?")
