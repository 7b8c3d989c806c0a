"""`runs` on a journal with an incident's hostile words: a terminal must show control characters, not obey them."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.unit.cli.terminal import CONFIG, run_command
from tests.unit.pipeline.acting import Outcome, Short

from automation_consumer.cli.options import visible
from automation_consumer.clock import SystemClock
from automation_consumer.model.run import RunStatus
from automation_consumer.store.open import open_journal
from automation_consumer.testing.run import Bench

CLEAR = "\x1b[2J"
SHOWN = "\\x1b[2J"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    (tmp_path / "config.yaml").write_text(CONFIG.replace("sqlite:///STORE", url))
    monkeypatch.setenv("AUTOMATION_CONFIG", str(tmp_path / "config.yaml"))

    async def write() -> None:
        action = Short(Outcome.failure("unused"))
        bench = Bench(
            {"it": (action, {})},
            journal=open_journal(url, SystemClock(), name="test"),
            clock=SystemClock(),
        )
        recorder, plan = bench.engine.recorder, bench.plan("it")
        row = msgspec.structs.replace(
            recorder.row(plan, {"text": f"p{CLEAR}"}, RunStatus.RUNNING),
            id="r1",
            incident_id=f"i{CLEAR}",
            alert_id=f"a{CLEAR}",
        )
        run = await recorder.begin(row, plan.message)
        outcome = Outcome.failure(
            f"r{CLEAR}", url=f"u{CLEAR}", output=f"o{CLEAR}\nnext line", data={"d": f"d{CLEAR}"}
        )
        assert await recorder.close(run, RunStatus.FAILED, outcome)
        bench.close()

    asyncio.run(write())
    return lambda *words: run_command(monkeypatch, capsys, *words)


def test_the_table(command):
    """Red without `visible` around the cells."""
    said = command("runs")
    assert said.code == 0
    assert "\x1b" not in said.out
    for letter in "iar":
        assert letter + SHOWN in said.out


def test_one_run_in_full(command):
    """Red without `visible` around the values, or around the changes' details."""
    said = command("runs", "r1")
    assert said.code == 0
    assert "\x1b" not in said.out
    for letter in "iaruo":
        assert letter + SHOWN in said.out
    assert said.out.count(f"r{SHOWN}") == 2  # the status's reason, and the last change
    assert "\n" + " " * 13 + "next line" in said.out  # lines stay lines


@pytest.mark.parametrize("words", [("runs",), ("runs", "r1")])
def test_json_escapes_them_itself_and_loses_nothing(command, words):
    said = command(*words, "-o", "json")
    assert "\x1b" not in said.out
    run = said.json[0] if isinstance(said.json, list) else said.json
    assert run["incident_id"] == f"i{CLEAR}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, äöü, 日本", "plain text, äöü, 日本"),
        ("two\nlines", "two\nlines"),
        ("\r\t\x00\x7f\x9b", "\\r\\t\\x00\\x7f\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),  # turns the reading direction round
    ],
)
def test_what_is_visible(text, shown):
    assert visible(text) == shown
