"""`run --once` and `runs`: the service writes the journal, the operator reads it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial

import msgspec
import orjson
import pytest
from tests.unit.cli.terminal import CONFIG, run_command
from tests.unit.pipeline.acting import Job, Outcome, Short

from automation_consumer.clock import SystemClock
from automation_consumer.model.run import RunStatus
from automation_consumer.store.sqlite import SqliteJournal
from automation_consumer.testing import an_alert
from automation_consumer.testing.run import Bench


@pytest.fixture
def store(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, store):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("STORE", str(store)))
    monkeypatch.setenv("AUTOMATION_CONFIG", str(path))
    return partial(run_command, monkeypatch, capsys)


@pytest.fixture
def written(store) -> list[str]:
    """A journal with a run that succeeded, one that failed and one that waits; their ids."""

    async def write() -> list[str]:
        actions = {
            "good": (Short(Outcome.success("fine", data={"n": 1}), name="good"), {"text": "{{ host }}"}),
            "bad": (Short(Outcome.failure("no space"), name="bad"), {}),
            "job": (Job(), {}),
        }
        bench = Bench(actions, journal=SqliteJournal(str(store), SystemClock()), clock=SystemClock())
        plans = [bench.plan(name, alert=an_alert(), offset=n) for n, name in enumerate(actions)]
        for plan in plans[:2]:
            await bench.runner.run(plan)
        await bench.journal.open(bench.engine.recorder.row(plans[2], {}, RunStatus.RUNNING))
        await bench.journal.open(
            msgspec.structs.replace(
                bench.engine.recorder.row(plans[2], {}, RunStatus.RUNNING), id="rother", incident_id="INC-2"
            )
        )
        bench.close()
        return [plan.run_id for plan in plans]

    return asyncio.run(write())


def test_the_listing_and_its_filters(command, written):
    ids = lambda *words: [each["id"] for each in command("runs", *words, "-o", "json").json]  # noqa: E731
    assert set(ids()) == {*written, "rother"}
    assert ids("--status", "failed") == [written[1]]
    assert ids("--incident", "INC-2") == ["rother"]
    assert len(ids("--limit", "2")) == 2
    text = command("runs")
    assert text.code == 0
    assert "no space" in text.out


def test_one_run_in_full(command, written):
    run = command("runs", written[0], "-o", "json").json
    assert (run["status"], run["params"], run["data"]) == ("succeeded", {"text": "web1"}, {"n": 1})
    assert [each["status"] for each in run["changes"]] == ["running", "succeeded"]
    assert run["created_at"].endswith("Z")
    assert (run["condition"], run["rule"]) == ("test", "test.yaml:1")
    text = command("runs", written[0][:8])
    assert text.code == 0
    assert "web1" in text.out
    assert "succeeded" in text.out


@pytest.mark.parametrize("words", [("runs",), ("runs", "retry"), ("runs", "cancel")])
def test_which_run_is_not_clear(command, written, words):
    """Red when both cases have one message."""
    assert "there is no run 'nobody' in the journal" in command(*words, "nobody").err
    said = command(*words, "r")
    assert (said.code, said.out) == (2, "")
    assert "more than one run begins with 'r': " in said.err
    assert "rother" in said.err


@pytest.mark.parametrize("words", [("nobody",), ("r",), ("--status", "nobody"), ("--limit", "0")])
def test_what_cannot_be_shown(command, written, words):
    said = command("runs", *words)
    assert (said.code, said.out) == (2, "")
    assert said.err


def test_no_journal_and_no_config_say_what_to_do(command, tmp_path, monkeypatch):
    said = command("runs")
    assert said.code == 2
    assert "no journal" in said.err
    said = command("runs", "-c", tmp_path / "nobody.yaml")
    assert said.code == 2
    assert "-c" in said.err


def test_run_refuses_an_invalid_config(command, tmp_path):
    (tmp_path / "config.yaml").write_text("version: 1\nactionz: []\n")
    said = command("run", "--once")
    assert said.code == 1
    assert "actions" in said.err


def test_run_wants_a_kafka_section(command, tmp_path):
    (tmp_path / "config.yaml").write_text("version: 1\nactions: []\nincident_conditions: []\n")
    said = command("run", "--once")
    assert said.code != 0
    assert "kafka" in said.err


def test_once_ends_with_one_document(tmp_path, store):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("STORE", str(store)))
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "automation_consumer",
            "run",
            "--embedded",
            "--once",
            "-o",
            "json",
            "-c",
            path,
        ],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    assert ended.returncode == 0, ended.stderr.decode()
    facts = orjson.loads(ended.stdout)
    assert (facts["incidents"], facts["matched"], facts["runs"], facts["dead_letters"]) == (0, 0, {}, 0)
    assert b"embedded broker: 127.0.0.1:" in ended.stderr


@pytest.fixture
def retrying(store) -> str:
    """A run that waits for its second try; its id."""

    async def write() -> str:
        bench = Bench(
            {"job": (Job(), {})}, journal=SqliteJournal(str(store), SystemClock()), clock=SystemClock()
        )
        row = bench.engine.recorder.row(bench.plan("job", offset=9), {}, RunStatus.RUNNING)
        row = await bench.journal.open(row)
        await bench.engine.recorder.retrying(row, "the gateway answers 503", 1_800_000_000.0)
        bench.close()
        return row.id

    return asyncio.run(write())


def test_what_waits_for_a_retry_says_what_went_wrong_and_when_it_goes_on(command, retrying):
    """Red when the column has the reason of the end only."""
    assert "the gateway answers 503; next try at 2027-01-15T08:00:00.000Z" in command("runs").out


def test_on_a_narrow_terminal_the_reason_has_a_line_of_its_own(command, written, retrying, monkeypatch):
    """Red when the table squeezes it into a column of a few letters."""
    monkeypatch.setattr("automation_consumer.cli.runs.listing.PIPED_WIDTH", 90)
    lines = command("runs").out.splitlines()
    assert lines[0].split() == ["run", "when", "status", "incident", "alert", "condition", "action"]
    assert max(map(len, lines)) <= 90
    (bad,) = [number for number, line in enumerate(lines) if line.startswith(written[1][:9])]
    assert "failed" in lines[bad]
    assert lines[bad + 1].rstrip() == "    no space"
    assert any("the gateway answers 503" in line for line in lines)
