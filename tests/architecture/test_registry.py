"""Every action type that comes with the package keeps the contract, and what is said of it is true."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.docs.pages import ROOT, SECRETS

from automation_consumer.cli.reference.pages import own_types
from automation_consumer.config.problems import Severity
from automation_consumer.config.references import ACTION_LISTS
from automation_consumer.config.settings import CommonOptions
from automation_consumer.plugin import Action, Scope
from automation_consumer.plugin.registry import check_contract, example, summary
from automation_consumer.service.rules import check
from automation_consumer.testing import an_alert, an_incident, run_action

REGISTRY = own_types()
ACTIONS = list(REGISTRY)
CONNECTIONS = {
    "screwdriver": {"url": "http://127.0.0.1:9", "auth_secret": "sd-token"},
    "slack": {"url": "http://127.0.0.1:9", "auth_secret": "slack-token"},
    "kafka": {"bootstrap.servers": "127.0.0.1:9"},
}
SECRET_NAMES = {
    name.removeprefix("AUTOMATION_SECRET_").lower().replace("_", "-"): value
    for name, value in SECRETS.items()
}

pytestmark = pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.type)


def fields_of(action: Action[Any]) -> dict[str, Any]:
    fields = yaml.safe_load(example(action))
    assert isinstance(fields, dict), "the docstring has no example"
    return fields


def test_keeps_the_contract(action: Action[Any]):
    check_contract(action, action.type)


def test_says_what_it_does_in_a_sentence(action: Action[Any]):
    said = summary(action)
    assert said.endswith(".")
    assert 20 <= len(said) <= 100


def test_its_fields_say_what_they_are(action: Action[Any]):
    for name, field in action.Params.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", "?")), name
        assert name not in CommonOptions.model_fields, f"{name} is a common option"


def test_its_example_loads_in_a_configuration(action: Action[Any], tmp_path: Path):
    fields = fields_of(action)
    assert fields["type"] == action.type
    lists = [each for each, scope in ACTION_LISTS.items() if action.scope in (Scope.ANY, scope)]
    config = {
        "version": 1,
        "connections": CONNECTIONS,
        "actions": [fields],
        "incident_conditions": [{"name": "example", **{each: [fields["name"]] for each in lists}}],
    }
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    checked = check([file], REGISTRY, SECRETS, strict=True)
    errors = [str(each) for each in checked.problems if each.severity is Severity.ERROR]
    assert errors == []


def test_it_stands_only_where_its_scope_allows(action: Action[Any], tmp_path: Path):
    fields = fields_of(action)
    wrong = [each for each, scope in ACTION_LISTS.items() if action.scope not in (Scope.ANY, scope)]
    for each in wrong:
        config = {
            "version": 1,
            "actions": [fields],
            "incident_conditions": [{"name": "example", each: [fields["name"]]}],
        }
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(config), "utf-8")
        codes = {found.code for found in check([file], REGISTRY, SECRETS).problems}
        assert "wrong-scope" in codes, each


async def test_its_dry_run_says_what_would_happen_and_calls_nothing(action: Action[Any]):
    # Every endpoint here refuses connections, so a preview that called one would fail.
    fields = {name: value for name, value in fields_of(action).items() if name not in ("name", "type")}
    alert = an_alert(tags={"oozie_pipeline": "billing"})
    about = None if action.scope is Scope.INCIDENT else alert
    ran = await run_action(
        action,
        fields,
        incident=an_incident(alerts=[alert]),
        alert=about,
        connections=CONNECTIONS,
        secrets=SECRET_NAMES,
        dry_run=True,
    )
    assert ran.run.status == "previewed", ran.run.reason
    assert ran.run.reason.startswith("would ")
    assert "\n" not in ran.run.reason
    assert ran.run.reason != f"would run {action.type}"


def test_its_page_tells_every_field(action: Action[Any]):
    page = (ROOT / "docs" / "actions.md").read_text("utf-8")
    assert f"\n## {action.type}\n" in page
    section = page.split(f"\n## {action.type}\n", 1)[1].split("\n## ", 1)[0]
    assert [name for name in action.Params.model_fields if f"| `{name}` |" not in section] == []


def test_its_folder_says_what_it_may_touch(action: Action[Any]):
    folder = inspect.getmodule(type(action)).__name__.split(".")[2]
    allowed = {
        "observe": {"read"},
        "notify": {"notify"},
        "change": {"change"},
        "reason": {"read"},
        "orchestrate": {"read", "change"},
    }
    assert action.effect.value in allowed[folder]
