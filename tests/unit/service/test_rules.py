"""What must hold before a configuration runs."""

from __future__ import annotations

import pytest

from automation_consumer.errors import ConfigError
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check

CONFIG = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: note, type: log, message: "%s"}]
incident_conditions: [{name: one, match: {status: critical}, alert_actions: [%s]}]
"""


def checked(tmp_path, message: str, action: str, *, strict: bool = False, environ=None):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG % (message, action))
    return check([path], Registry.installed(), environ or {}, strict=strict)


def test_a_valid_configuration_is_ready_to_run(tmp_path):
    ruleset = checked(tmp_path, "hello", "note").need()
    assert ruleset.action("note").spec.type == "log"
    assert ruleset.rule("one").endswith("config.yaml:5")
    assert len(ruleset.conditions) == 1


def test_a_configuration_with_errors_has_no_ruleset_and_says_them_all(tmp_path):
    found = checked(tmp_path, "{{ broken", "nobody")
    assert found.ruleset is None
    with pytest.raises(ConfigError, match="nobody"):
        found.need()
    with pytest.raises(ConfigError, match=r"config\.yaml:4"):
        found.need()


def test_one_error_is_enough_whoever_found_it(tmp_path):
    """Red when only what the schema refuses keeps a configuration from running."""
    assert checked(tmp_path, "{{ broken", "note").ruleset is None


def test_secrets_are_looked_for_only_when_asked(tmp_path):
    assert checked(tmp_path, "$secret:token", "note").problems == []
    found = checked(tmp_path, "$secret:token", "note", strict=True)
    assert any("token" in str(each) for each in found.problems)
    there = checked(tmp_path, "$secret:token", "note", strict=True, environ={"AUTOMATION_SECRET_TOKEN": "x"})
    assert there.problems == []
