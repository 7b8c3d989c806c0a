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


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("oracle://kim:s3cr3t/pw@db/x", "oracle://kim:***@db/x"),
        ("postgresl://kim@db/x?password=s3cr3t", "postgresl://***@db/x?password=***"),
        ("sqlite://automation.db", "sqlite://automation.db"),
        ("sqlite:///", "sqlite:///"),
        ("automation.db", "automation.db"),
    ],
)
def test_a_store_that_there_is_not(command, config, url, shown):
    """Red without the validator of `store`, or without its mask."""
    config.write_text(CONFIG.replace("sqlite:///STORE", url))
    said = command("validate", config)
    assert said.code == 1
    assert f"{config}:3:8: error: 'store': '{shown}' is not understood: write sqlite:///" in said.out
    assert "s3cr3t" not in said.out


@pytest.mark.parametrize(
    "url",
    ["sqlite:////var/lib/a.db", "postgresql://db/x", "postgres://kim:$secret:db@db/x", "$secret:store"],
)
def test_a_store_that_there_is(command, config, url):
    config.write_text(CONFIG.replace("sqlite:///STORE", url))
    assert command("validate", config).code == 0


def test_a_time_that_is_too_long(command, config):
    """Red without the validator of `rerun`: it would fail with the first incident that comes again."""
    config.write_text(CONFIG.replace("  - name: disks\n", "  - name: disks\n    rerun: after:99999d\n"))
    said = command("validate", config)
    assert said.code == 1
    assert "a duration cannot be longer than ten years (3650d)" in said.out
