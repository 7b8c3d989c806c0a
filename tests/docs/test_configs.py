"""The example configurations are valid, also strictly, and those of the formats take their samples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.docs.pages import ROOT, SECRETS

from automation_consumer.model.message import Message
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check
from automation_consumer.sources.formats import FORMATS, build_format

SAMPLES = {
    "alertmanager": "alertmanager_v4.json",
    "cloudevents": "cloudevents_structured.json",
    "datadog": "datadog_webhook.json",
    "grafana": "grafana_webhook.json",
    "mapping": "jira_webhook_issue_created.json",
    "opsgenie": "opsgenie_webhook.json",
    "pagerduty": "pagerduty_v3_incident_triggered.json",
    "rootly": "rootly_webhook_alert_created.json",
}
FILES = [ROOT / "example-config.yaml", *sorted((ROOT / "configs").rglob("*.yaml"))]
NOW = 1_767_230_000.0  # an hour after the samples


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", FILES, ids=short)
def test_begins_with_the_schema_for_editors(file: Path):
    first = file.read_text("utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found
    assert (file.parent / found[1]).resolve() == ROOT / "docs" / "config.schema.json"


@pytest.mark.parametrize("file", FILES, ids=short)
def test_an_editor_finds_no_mistake(file: Path):
    schema = json.loads((ROOT / "docs" / "config.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    text = re.sub(r"\$\{[A-Z_]+:([^}]*)\}", r"\1", file.read_text("utf-8"))
    errors = [each.message for each in Draft202012Validator(schema).iter_errors(yaml.safe_load(text))]
    assert errors == []


@pytest.mark.parametrize(
    "path",
    [ROOT / "example-config.yaml", *sorted((ROOT / "configs").glob("*.yaml")), ROOT / "configs" / "teams"],
    ids=short,
)
def test_is_valid_strictly(path: Path):
    checked = check([path], Registry.installed(), SECRETS, strict=True)
    assert [str(each) for each in checked.problems] == []
    assert checked.ruleset is not None


def test_without_its_secrets_the_example_is_not_valid_strictly():
    checked = check([ROOT / "example-config.yaml"], Registry.installed(), {}, strict=True)
    assert {each.code for each in checked.problems} == {"missing-secret"}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_configuration_of_a_format_takes_its_sample(name: str):
    ruleset = check([ROOT / "configs" / f"{name}.yaml"], Registry.installed(), {}).need()
    kafka = ruleset.config.settings.kafka
    assert kafka is not None
    raw = (ROOT / "tests" / "samples" / SAMPLES[name]).read_bytes()
    (incident,) = build_format(kafka.format, kafka.max_message_bytes).decode(Message("t", 0, 0, raw))
    (match,) = ruleset.conditions.match(incident, NOW)
    assert match.alerts


def test_the_example_takes_the_sample_of_its_format():
    ruleset = check([ROOT / "example-config.yaml"], Registry.installed(), {}).need()
    raw = (ROOT / "tests" / "samples" / "bigpanda_sample.json").read_bytes()
    (incident,) = build_format("bigpanda", 5_000_000).decode(Message("t", 0, 0, raw))
    assert [match.condition for match in ruleset.conditions.match(incident, NOW)] == ["oozie_failures"]


def test_every_format_has_a_configuration_and_is_told_of():
    assert {*SAMPLES, "bigpanda"} == set(FORMATS)
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    assert [name for name in FORMATS if f"| `{name}`" not in text] == []
