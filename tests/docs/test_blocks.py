"""Every block of code on the pages is right: configurations are checked, commands exist, Python runs."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from tests.docs.pages import ROOT, SECRETS, Block, block, blocks

from automation_consumer.cli.main import app
from automation_consumer.config.problems import Problem, Severity
from automation_consumer.config.settings import CommonOptions, Condition, TopLevel
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check

LANGUAGES = {"yaml", "json", "bash", "python", "toml", "text"}
OTHER_COMMANDS = {"python3", "venv/bin/pip", ".", "export"}
SECTIONS = set(TopLevel.model_fields)
CONDITION_KEYS = {info.alias or key for key, info in Condition.model_fields.items()}


def by_place(found: Block) -> str:
    return found.place


def problems_of(text: str, folder: Path) -> list[Problem]:
    file = folder / "config.yaml"
    file.write_text(text, "utf-8")
    return check([file], Registry.installed(), SECRETS, strict=True).problems


def whole(fragment: dict[str, object]) -> dict[str, object]:
    """A configuration around a part of one."""
    if set(fragment) <= SECTIONS | {key for key in fragment if key.startswith("x-")}:
        return {"version": 1, **fragment}
    if set(fragment) <= CONDITION_KEYS:
        return {"version": 1, "incident_conditions": [{"name": "example", **fragment}]}
    assert {"name", "type"} <= set(fragment), "neither a configuration, nor a condition, nor an action"
    return {"version": 1, "actions": [fragment]}


def test_every_block_has_a_language_that_is_checked():
    unknown = [each.place for page in [blocks("", *LANGUAGES, "yml", "sh", "console")] for each in page]
    checked = [each.place for each in blocks(*LANGUAGES)]
    assert unknown == checked


@pytest.mark.parametrize("found", [b for b in blocks("yaml") if "version: 1" in b.text], ids=by_place)
def test_a_whole_configuration_has_no_problem(found: Block, tmp_path: Path):
    assert [str(each) for each in problems_of(found.text, tmp_path)] == []


@pytest.mark.parametrize("found", [b for b in blocks("yaml") if "version: 1" not in b.text], ids=by_place)
def test_a_part_of_a_configuration_has_no_error(found: Block, tmp_path: Path):
    fragment = yaml.safe_load(found.text)
    problems = problems_of(yaml.safe_dump(whole(fragment), sort_keys=False), tmp_path)
    assert [str(each) for each in problems if each.severity is Severity.ERROR] == []


def test_a_mistake_in_a_block_would_be_found(tmp_path: Path):
    assert problems_of("version: 1\nincident_conditions: [{name: a, mtach: {}}]\n", tmp_path)
    with pytest.raises(AssertionError):
        whole({"nonsense": 1})


@pytest.mark.parametrize("found", list(blocks("json")), ids=by_place)
def test_json_is_json(found: Block):
    json.loads(found.text)


@pytest.mark.parametrize("found", list(blocks("bash")), ids=by_place)
def test_commands_exist(found: Block):
    for line in found.text.splitlines():
        words = shlex.split(line)
        if words[0] == "automation-consumer":
            parse(words[1:])
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        else:
            assert words[0] in OTHER_COMMANDS, line


def parse(words: list[str]) -> None:
    """Parse a command line without running it: its command, options and values must be known."""
    commands = typer.main.get_command(app).commands
    assert words[0] in commands, f"no command {words[0]!r}"
    context = commands[words[0]].make_context(words[0], list(words[1:]))
    while hasattr(context.command, "resolve_command") and (rest := [*context._protected_args, *context.args]):
        name, command, arguments = context.command.resolve_command(context, rest)
        context = command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("line", ["runn", "run --emebdded", "runs --status lost"])
def test_a_wrong_command_line_would_be_found(line: str):
    with pytest.raises(Exception, match=r"no command|No such option|lost|Invalid|invalid"):
        parse(line.split())


async def test_the_python_of_the_page_about_actions_runs():
    page = "docs/writing-an-action.md"
    scope: dict[str, object] = {}
    sources = [each.text for each in blocks("python") if each.page == page]
    for source in sources:
        exec(compile(source, page, "exec"), scope)
    tests = [value for key, value in scope.items() if key.startswith("test_") and callable(value)]
    assert len(tests) == 2
    for each in tests:
        assert inspect.iscoroutinefunction(each)
        await each()


def test_python_stands_on_that_page_only():
    assert {each.page for each in blocks("python")} == {"docs/writing-an-action.md"}


def test_toml_is_toml():
    found = tomllib.loads(block("docs/writing-an-action.md", "toml"))
    assert found["project"]["entry-points"]["automation_consumer.actions"]


def test_the_common_options_named_in_the_text_exist():
    text = (ROOT / "docs/writing-config.md").read_text()
    section = text.split("## Actions", 1)[1].split("## Conditions", 1)[0]
    bullets = [names for line in section.splitlines() if (names := re.match(r"^- ((?:`[^`]+`,? ?)+):", line))]
    named = {word.partition(":")[0] for line in bullets for word in re.findall(r"`([^`]+)`", line[1])}
    assert named
    assert named <= set(CommonOptions.model_fields)
