"""`actions`, `schema` and `version`: what is installed."""

from __future__ import annotations

from functools import partial

import jsonschema
import pytest
from tests.unit.cli.terminal import run_command

from automation_consumer import __version__


@pytest.fixture
def command(monkeypatch, capsys):
    return partial(run_command, monkeypatch, capsys)


def test_the_installed_types(command):
    listed = {each["type"]: each for each in command("actions", "-o", "json").json}
    assert {"log", "slack", "screwdriver", "webhook", "wait", "publish"} <= set(listed)
    assert listed["screwdriver"]["remote_job"] is True
    assert listed["log"]["effect"] == "notify"
    text = command("actions")
    assert text.code == 0
    assert all(name in text.out for name in listed)


def test_one_type_with_fields_and_example(command):
    facts = command("actions", "screwdriver", "-o", "json").json
    fields = {each["name"]: each for each in facts["fields"]}
    assert fields["pipeline_id"]["required"]
    assert fields["polling_interval"]["default"] == 30
    assert not fields["retry_count"]["own"]
    assert "type: screwdriver" in facts["example"]
    text = command("actions", "screwdriver").out
    assert all(name in text for name in fields)


def test_a_type_that_is_not_installed(command):
    said = command("actions", "slakc")
    assert (said.code, said.out) == (2, "")
    assert "slack" in said.err
    assert "Traceback" not in said.err


def test_the_schema_is_one_and_accepts_an_action(command):
    whole = command("schema").json
    jsonschema.Draft202012Validator.check_schema(whole)
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    one = command("schema", "log").json
    jsonschema.Draft202012Validator.check_schema(one)
    assert "message" in one["properties"]


def test_the_schema_of_a_type_that_is_not_installed(command):
    said = command("schema", "nobody")
    assert said.code == 2
    assert "nobody" in said.err


def test_versions(command):
    facts = command("version", "-o", "json").json
    assert facts["automation-consumer"] == __version__
    assert {"python", "confluent-kafka", "pydantic"} <= set(facts)
    assert __version__ in command("version").out
