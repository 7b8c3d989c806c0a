"""The quick start, done as it is written: with the installed command, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.docs.pages import block

COMMAND = [sys.executable, "-m", "automation_consumer"]
PAGES = ["README.md", "docs/quick-start.md"]
PATIENCE_S = 30.0


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("AUTOMATION_")}


def do(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        check=False,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(params=PAGES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the page's two files; the service's port is any free one, as tests run side by side."""
    config = block(request.param, "yaml") + "\nservice: {port: 0}\n"
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    (tmp_path / "incident.json").write_text(block(request.param, "json"), "utf-8")
    return tmp_path


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """`run --embedded` in a terminal of its own; gives the address that it prints, and ends it with Ctrl+C."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "run", "--embedded"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"embedded broker: (127\.0\.0\.1:\d+)\n", line)
            assert found, line + (folder / "log").read_text()
            yield found[1]
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def runs_when_there_are(folder: Path, count: int) -> list[dict[str, object]]:
    until = time.monotonic() + PATIENCE_S
    while True:
        found = do(folder, "runs", "-o", "json")
        runs = json.loads(found.stdout) if found.returncode == 0 else []
        ended = [run for run in runs if run["ended_at"]]
        if len(ended) >= count or time.monotonic() > until:
            return ended
        time.sleep(0.1)


def test_it_goes_as_the_page_says(folder: Path):
    validated = do(folder, "validate", "config.yaml")
    assert (validated.returncode, validated.stdout) == (0, "")

    explained = do(folder, "explain", "incident.json")
    assert explained.returncode == 0, explained.stderr
    assert "disk_full" in explained.stdout

    actions = (folder / "config.yaml").read_text().count("type: log")
    with service(folder) as address:
        for sent in (1, 2):
            published = do(folder, "publish", "--bootstrap", address, "incident.json")
            assert published.returncode == 0, published.stderr
            runs = runs_when_there_are(folder, actions * sent)
            assert len(runs) == actions * sent
        one = do(folder, "runs", str(runs[0]["id"])[:9])
        assert one.returncode == 0, one.stderr

    by_status = sorted(str(run["status"]) for run in runs)
    assert by_status == ["skipped"] * actions + ["succeeded"] * actions
    assert {run["alert_id"] for run in runs} <= {"A-1", None}
    assert all(str(run["reason"]).startswith("rerun:") for run in runs if run["status"] == "skipped")


def test_the_mistake_that_the_page_proposes_is_found(tmp_path: Path):
    config = block("docs/quick-start.md", "yaml").replace(
        "alert_actions: [note_disk]", "alert_actions: [note_disc]"
    )
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    validated = do(tmp_path, "validate", "config.yaml")
    assert validated.returncode == 1
    assert re.search(
        r"^config\.yaml:\d+:\d+: error: .*note_disc.*did you mean 'note_disk'", validated.stdout, re.MULTILINE
    )
