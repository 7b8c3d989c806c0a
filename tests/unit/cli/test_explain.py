"""`explain`: every condition, every clause, and what would run."""

from __future__ import annotations

from functools import partial

import orjson
import pytest
from tests.unit.cli.terminal import CONFIG, run_command


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    monkeypatch.setenv("AUTOMATION_CONFIG", str(path))
    return partial(run_command, monkeypatch, capsys)


@pytest.fixture
def incident(tmp_path):
    path = tmp_path / "incident.json"
    alert = {"id": "a1", "status": "critical", "tags": [{"name": "host", "value": "web1"}]}
    document = {"id": "INC-1", "status": "critical", "active": True, "alerts": [alert]}
    path.write_bytes(orjson.dumps(document))
    return path


def test_what_matched_and_what_did_not_clause_by_clause(command, incident):
    document = command("explain", incident, "-o", "json").json
    assert document["incident"]["id"] == "INC-1"
    first, second = document["conditions"]
    assert (first["condition"], first["matched"]) == ("disks", False)
    assert (second["condition"], second["matched"]) == ("all", True)
    status, team = first["clauses"]
    assert (status["path"], status["actual"], status["result"]) == ("status", "critical", True)
    assert (team["path"], team["expected"], team["result"]) == ("tags.team", "data", False)
    [run] = document["runs"]
    assert (run["action"], run["phase"]) == ("off", "incident")
    assert [each["check"] for each in run["gate"] if each["decision"] == "deny"] == ["enabled"]


def test_the_parameters_are_rendered(command, incident, tmp_path):
    incident.write_bytes(
        orjson.dumps(
            {**orjson.loads(incident.read_bytes()), "incident_tags": [{"name": "team", "value": "data"}]}
        )
    )
    runs = command("explain", incident, "-o", "json").json["runs"]
    assert runs[0]["parameters"]["message"] == "web1 is critical"
    text = command("explain", incident)
    assert text.code == 0
    assert "web1 is critical" in text.out
    assert "disks" in text.out


@pytest.mark.parametrize("content", [b"{", None])
def test_what_cannot_be_explained_says_why(command, incident, content):
    if content is None:
        incident.unlink()
    else:
        incident.write_bytes(content)
    said = command("explain", incident)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")


def test_an_invalid_config_is_a_no(command, incident, tmp_path):
    (tmp_path / "config.yaml").write_text("version: 1\nactionz: []\n")
    said = command("explain", incident)
    assert said.code == 1
    assert "actions" in said.err
