"""What no other tool checks of the code's form, and that what it counts and answers is documented."""

from __future__ import annotations

import ast
import re
from enum import Enum
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

from automation_consumer.cli.main import Exit
from automation_consumer.cli.reference.codes import members
from automation_consumer.cli.reference.metrics import described
from automation_consumer.conditions.parse import Code as ConditionCode
from automation_consumer.config.problems import Code as ConfigCode
from automation_consumer.config.templates import Code as TemplateCode
from automation_consumer.errors import PluginError
from automation_consumer.model.run import Phase, RunStatus
from automation_consumer.pipeline.gate import ORDER
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.sources.formats.reasons import Reason

SOURCE = ROOT / "src" / "automation_consumer"
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 400


def short(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_a_module_says_what_it_is_and_is_not_long(module: Path):
    text = module.read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "no docstring"
    assert docstring.split("\n")[0].endswith((".", ":", "?")) or "\n\n" not in docstring
    assert text.count("\n") <= MAX_LINES


def test_no_room_is_a_lumber_room():
    lumber = {"utils", "util", "helpers", "helper", "common", "core", "misc"}
    assert [
        short(each) for each in MODULES if lumber & {*each.relative_to(SOURCE).parts[:-1], each.stem}
    ] == []


@pytest.mark.parametrize("module", [each for each in MODULES if short(each) != "clock.py"], ids=short)
def test_only_the_clock_reads_a_clock_or_sleeps(module: Path):
    wrong = {
        ("time", "time"),
        ("time", "monotonic"),
        ("time", "sleep"),
        ("asyncio", "sleep"),
        ("datetime", "now"),
        ("datetime", "utcnow"),
    }
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if (name, node.func.attr) == ("asyncio", "sleep") and _is_zero(node):
                continue  # lets others run; no time passes
            assert (name, node.func.attr) not in wrong, f"line {node.lineno}"


def _is_zero(node: ast.Call) -> bool:
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


@pytest.mark.parametrize("metric", described(), ids=lambda metric: metric[0])
def test_a_metric_is_explained(metric: tuple[str, str, tuple[str, ...], str]):
    name, _, labels, text = metric
    assert name.startswith("automation_")
    assert text.endswith(".")
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    assert [label for label in labels if f"`{label}`" not in row] == []


def test_metrics_that_operators_are_told_of_exist():
    named = set(
        re.findall(r"automation_[a-z_]+", (ROOT / "docs" / "operations.md").read_text("utf-8"))
    ) | set(re.findall(r"automation_[a-z_]+", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")))
    assert named
    assert named <= {name for name, *_ in described()}


def test_log_events_that_operators_are_told_of_exist():
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    section = text.split("## Logs", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", section)) - {"service.log_format", "service.log_level"}
    assert len(named) > 10
    source = "".join(module.read_text("utf-8") for module in MODULES)
    written = set(re.findall(r"""event"?[=:] ?"([a-z]+\.[a-z_]+)\"""", source))
    written |= {f"run.{each}" for each in RunStatus} | {f"condition.{each}" for each in ConditionResult}
    assert named <= written


@pytest.mark.parametrize(
    "words", [ConfigCode, ConditionCode, TemplateCode, Reason, RunStatus, Phase, ConditionResult, Exit]
)
def test_stable_words_are_documented(words: type[Enum]):
    page = (ROOT / "docs" / "codes.md").read_text("utf-8")
    assert [each.value for each in words if f"| `{each.value}` |" not in page] == []


def test_exit_codes_and_checks_are_told_to_operators():
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [each.value for each in Exit if f"\n| {each.value} |" not in text] == []
    page = (ROOT / "docs" / "codes.md").read_text("utf-8")
    assert [each.name for each in ORDER if f"| `{each.name}` |" not in page] == []


class _Silent(Enum):
    """An enum whose member says nothing."""

    MUTE = "mute"


class _Telling(Enum):
    """An enum as ours are."""

    ONE = "one"  # the first


def test_the_words_beside_a_member_are_what_is_documented():
    assert members(_Telling) == [("one", "the first")]
    assert dict(members(ConfigCode))["missing-secret"] == "a named secret cannot be found"
    with pytest.raises(PluginError, match="mute"):
        members(_Silent)
