"""A command line in this process, with its exit code and both streams."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from automation_consumer.cli.main import main


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> Said:
    """What `automation-consumer WORDS…` says."""
    monkeypatch.setattr(sys, "argv", ["automation-consumer", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    code = ended.value.code
    return Said(code if isinstance(code, int) else 0, said.out, said.err)


CONFIG = """\
version: 1
kafka: {topics: [incidents], format: bigpanda}
store: sqlite:///STORE
actions:
  - {name: note, type: log, message: "{{ host }} is {{ status }}"}
  - {name: off, type: log, message: never, enabled: false}
incident_conditions:
  - name: disks
    match: {status: critical, tags.team: data}
    alert_actions: [note, off]
  - name: all
    match: {status: critical}
    incident_actions: [off]
"""
