"""`demo`, as a user runs it: in a process of its own, with nothing around it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from automation_consumer.cli.demo.report import report
from automation_consumer.cli.demo.scenario import FAILING_HOST, Sample, samples
from automation_consumer.cli.demo.session import CONFIG, surroundings
from automation_consumer.cli.demo.targets import Targets
from automation_consumer.clock import SystemClock
from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.pipeline.work import Tally
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check

DEMO = (sys.executable, "-m", "automation_consumer", "demo")
LIMIT_S = 30.0


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    seconds: float
    left_over: list[str]


def start(folder: Path, *options: str, **how: object) -> subprocess.Popen[bytes]:
    """The demo with an empty environment and a temporary folder of its own."""
    folder.mkdir()
    environ = {"TMPDIR": str(folder), "TERM": "xterm-256color"}
    return subprocess.Popen([*DEMO, *options], env=environ, cwd=folder, **how)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Two demos at the same moment, so that they would meet if they used the same port or file."""
    base = tmp_path_factory.mktemp("demo")
    began = time.monotonic()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = {"json": start(base / "json", "-o", "json", **pipes), "text": start(base / "text", **pipes)}
    found = {}
    for name, process in running.items():
        out, err = process.communicate(timeout=LIMIT_S * 3)
        found[name] = Ended(
            process.returncode,
            out.decode(),
            err.decode(),
            time.monotonic() - began,
            [path.name for path in (base / name).iterdir()],
        )
    return found


def test_it_ends_well_in_under_half_a_minute_and_leaves_nothing(ended: dict[str, Ended]):
    for demo in ended.values():
        assert demo.code == 0, demo.err
        assert demo.seconds < LIMIT_S
        assert demo.left_over == []


def test_json_is_one_document_with_the_facts(ended: dict[str, Ended]):
    facts = json.loads(ended["json"].out)

    assert facts["ok"] is True
    assert facts["problems"] == []
    assert facts["messages"] == facts["incidents"] + facts["dead_letters"] == 60
    assert facts["incidents"] == facts["matched"] + facts["unmatched"]
    assert facts["matched"] == sum(facts["conditions"].values())
    assert facts["unmatched"] > 0
    assert facts["dead_letters"] == 1
    assert facts["runs"]["failed"] == 1
    assert facts["runs"]["skipped"] > 0
    assert {action["type"] for action in facts["actions"]} >= {
        "screwdriver",
        "incident_slack",
        "webhook",
        "log",
        "wait",
    }
    by_action = {action["action"]: action["outcomes"] for action in facts["actions"]}
    assert by_action["page_oncall"] == {"succeeded": 1}
    assert facts["jobs_started"] == 64
    assert facts["jobs_started_twice"] == 0


def test_running_in_parallel_is_much_faster_than_one_by_one(ended: dict[str, Ended]):
    facts = json.loads(ended["json"].out)

    assert facts["one_by_one_s"] > 64 * 1.0  # each job takes a second at least
    assert facts["took_s"] < facts["one_by_one_s"] / 3


def test_without_a_terminal_it_prints_plain_lines_and_a_summary(ended: dict[str, Ended]):
    out = ended["text"].out

    assert "\x1b" not in out
    assert "\r" not in out
    assert out.count("messages read") >= 5
    assert "64 remote jobs were started, none twice." in out
    assert "One by one it would have taken" in out
    assert "Everything that should have happened did" in out
    assert ended["text"].err == ""
    assert "\x1b" not in ended["json"].err


def test_on_a_terminal_ctrl_c_ends_it_cleanly(tmp_path: Path):
    ours, theirs = pty.openpty()
    process = start(tmp_path / "tmp", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    seen = b""
    pressed_at = 0.0
    for chunk in chunks(ours):
        seen += chunk
        if not pressed_at and b"under way" in seen and b"rerun_coordinator" in seen:
            pressed_at = time.monotonic()
            process.send_signal(signal.SIGINT)
    code = process.wait(LIMIT_S)
    took_s = time.monotonic() - pressed_at

    assert pressed_at, seen.decode()
    assert code == 130
    assert took_s < 10
    assert b"\x1b[" in seen
    assert b"Stopped before the end." in seen
    assert b"Traceback" not in seen
    assert list((tmp_path / "tmp").iterdir()) == []


def chunks(terminal: int) -> Iterator[bytes]:
    """What appears on the terminal until the other side closes it."""
    try:
        while chunk := os.read(terminal, 65536):
            yield chunk
    except OSError:  # how Linux says that the other side is closed
        return
    finally:
        os.close(terminal)


def test_its_config_is_free_of_errors_and_warnings():
    environ = surroundings("localhost:9092", "http://127.0.0.1:8099", Path("demo.db"))

    found = check([CONFIG], Registry.installed(), environ, strict=True)

    assert found.problems == []
    assert found.ruleset is not None


def test_its_config_reads_as_an_example_without_the_demos_variables():
    assert check([CONFIG], Registry.installed(), {}).problems == []


# --- the demo checks itself ------------------------------------------------------------------------------------------


def as_expected(sent: list[Sample]) -> tuple[Tally, list[Run]]:
    """What the service would have counted and written if all went well."""
    tally = Tally(
        incidents=sum(not each.poison for each in sent), dead_letters=sum(each.poison for each in sent)
    )
    runs = [
        a_run(offset, number, sample.condition, action, status)
        for offset, sample in enumerate(sent)
        if sample.condition
        for (action, status), count in sample.runs.items()
        for number in range(count)
    ]
    return tally, runs


def a_run(offset: int, number: int, condition: str, action: str, status: str) -> Run:
    return Run(
        id=f"{offset}-{action}-{status}-{number}",
        status=RunStatus(status),
        incident_id="INC",
        alert_id=None,
        condition=condition,
        phase=Phase.ALERT,
        action=action,
        action_type="webhook",
        subject="",
        digest="",
        rule="",
        config_version="",
        topic="incidents",
        partition=0,
        offset=offset,
        created_at=0.0,
        ended_at=2.0,
    )


def problems(sent: list[Sample], tally: Tally, runs: list[Run]) -> list[str]:
    with Targets(SystemClock()) as targets:
        return report(sent, len(sent), tally, runs, targets, interrupted=False).problems


def test_no_problem_is_found_where_there_is_none():
    sent = samples(1_800_000_000.0)

    assert problems(sent, *as_expected(sent)) == []


def test_a_run_that_is_missing_is_a_problem():
    sent = samples(1_800_000_000.0)
    tally, runs = as_expected(sent)

    runs.remove(next(run for run in runs if run.action == "page_oncall"))

    assert problems(sent, tally, runs) == ["runs of page_oncall succeeded: 0, but 1 should be"]


def test_a_run_that_failed_a_message_not_read_and_a_lost_dead_letter_are_problems():
    sent = samples(1_800_000_000.0)
    tally, runs = as_expected(sent)
    tally.incidents -= 1
    tally.dead_letters = 0
    first = next(place for place, run in enumerate(runs) if run.action == "note_link")
    runs[first] = a_run(runs[first].offset, 9, runs[first].condition, "note_link", "unknown")

    assert problems(sent, tally, runs) == [
        "incidents read: 58, but 59 should be",
        "dead letters: 0, but 1 should be",
        "runs of note_link succeeded: 15, but 16 should be",
        "runs of note_link unknown: 1, but 0 should be",
    ]


def test_the_samples_hold_what_the_demo_promises_to_show():
    sent = samples(1_800_000_000.0)
    incidents = [json.loads(each.value) for each in sent if not each.poison]

    assert len(sent) == 60
    assert sum(len(each["alerts"]) == 4 for each in incidents) >= 16
    assert max(Counter(each["id"] for each in incidents).values()) == 2
    assert any(FAILING_HOST.encode() in each.value for each in sent)
    assert sum(each.condition is None for each in sent) > 10
