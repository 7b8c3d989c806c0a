"""`validate`: exit code, lines for people, JSON for tools."""

from __future__ import annotations

from functools import partial

import pytest
from tests.unit.cli.terminal import CONFIG, run_command


@pytest.fixture
def command(monkeypatch, capsys):
    return partial(run_command, monkeypatch, capsys)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def test_a_valid_config(command, config):
    said = command("validate", config)
    assert (said.code, said.out) == (0, "")
    assert "valid" in said.err
    assert command("validate", config, "-o", "json").json == []


def test_every_mistake_at_once_with_its_place_and_a_suggestion(command, config):
    config.write_text(
        CONFIG.replace("[note, off]", "[noet, off]").replace("type: log, message: never", "type: lgo")
    )
    said = command("validate", config)
    assert said.code == 1
    lines = said.out.splitlines()
    assert any(line.startswith(f"{config}:") and ": error: " in line and "note" in line for line in lines)
    assert any("log" in line and "lgo" in line for line in lines)
    assert "error" in said.err
    found = command("validate", config, "-o", "json")
    assert found.code == 1
    assert all(
        set(each) == {"file", "line", "column", "severity", "code", "path", "message"} for each in found.json
    )
    assert len(found.json) == len(lines)


def test_a_warning_is_an_error_only_with_strict(command, config):
    config.write_text(CONFIG.replace("{{ status }}", "{{ nowhere_else }}"))
    assert command("validate", config).code == 0
    said = command("validate", config, "--strict")
    assert said.code == 1
    assert "nowhere_else" in said.out


def test_a_path_that_is_not_there(command, tmp_path):
    said = command("validate", tmp_path / "nobody.yaml")
    assert said.code in (1, 2)
    assert "nobody.yaml" in said.out + said.err


def test_no_path_is_a_usage_error(command):
    assert command("validate").code == 2
