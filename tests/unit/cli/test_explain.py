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


SECRET = "hunter2-of-ours"
QUOTING = """\
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions:
  - {name: note, type: log, message: "{{ description }}"}
  - {name: never, type: log, message: "$secret:hook"}
incident_conditions:
  - name: quoting
    match: {status: critical, tags.note: {contains: nothing}}
    alerts: {description: {contains: key}}
    alert_actions: [never]
  - name: all
    match: {status: critical}
    alert_actions: [note]
"""


@pytest.mark.parametrize("words", [(), ("-o", "json")])
def test_a_secret_that_an_alert_quotes_is_masked(command, incident, tmp_path, monkeypatch, words):
    """Red without `_masked` in `explain_message`, without its `learn_all`, or without the masking of keys."""
    (tmp_path / "config.yaml").write_text(QUOTING)
    monkeypatch.setenv("AUTOMATION_SECRET_HOOK", SECRET)
    tags = [{"name": "note", "value": f"the key is {SECRET}"}, {"name": SECRET, "value": [SECRET]}]
    alert = {"id": f"a-{SECRET}", "status": "critical", "description": f"key={SECRET}", "tags": tags}
    message = {"id": f"I-{SECRET}", "status": "critical", "incident_tags": tags, "alerts": [alert]}
    incident.write_bytes(orjson.dumps(message))
    said = command("explain", incident, *words)
    assert said.code == 0
    assert SECRET not in said.out + said.err
    assert "key=***" in said.out
    assert "I-***" in said.out


def test_a_secret_in_poison_is_masked_too(command, incident, tmp_path, monkeypatch):
    """Red without `mask` around the detail."""
    (tmp_path / "config.yaml").write_text(QUOTING.replace("bigpanda", "datadog"))
    monkeypatch.setenv("AUTOMATION_SECRET_HOOK", SECRET)
    incident.write_bytes(orjson.dumps({"cycle_key": f"$ALERT_{SECRET}", "transition": "Triggered"}))
    said = command("explain", incident)
    assert said.code == 2
    assert SECRET not in said.out + said.err
    assert "$ALERT_***" in said.err


def test_a_secret_that_is_one_of_our_words_leaves_the_document_whole(
    command, incident, tmp_path, monkeypatch
):
    """Red when every key is masked, ours too."""
    (tmp_path / "config.yaml").write_text(QUOTING)
    monkeypatch.setenv("AUTOMATION_SECRET_HOOK", "incident")
    assert command("explain", incident).code == 0
    assert command("explain", incident, "-o", "json").json["incident"]["status"] == "critical"


def test_control_characters_are_shown_not_obeyed(command, incident):
    """Red without `visible` around the ids."""
    alert = {"id": "a\x1b[2J", "status": "critical", "tags": [{"name": "host", "value": "web\x1b[31m1"}]}
    tags = [{"name": "team", "value": "data"}]
    message = {"id": "I\x1b]0;x\x07", "status": "critical", "incident_tags": tags, "alerts": [alert]}
    incident.write_bytes(orjson.dumps(message))
    said = command("explain", incident)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\x07" not in said.out
    for shown in ("I\\x1b]0;x\\x07", "a\\x1b[2J", "web\\x1b[31m1 is critical"):
        assert shown in said.out


def test_an_invalid_config_is_a_no(command, incident, tmp_path):
    (tmp_path / "config.yaml").write_text("version: 1\nactionz: []\n")
    said = command("explain", incident)
    assert said.code == 1
    assert "actions" in said.err
