"""The page of all stable words: states, codes, exit codes, with what the code says beside each of them."""

from __future__ import annotations

import inspect
import re
from enum import Enum
from typing import Any, Final

from automation_consumer.cli.main import Exit
from automation_consumer.cli.reference.markdown import code, page, table
from automation_consumer.conditions.parse import Code as ConditionCode
from automation_consumer.config.problems import Code as ConfigCode
from automation_consumer.config.problems import Severity
from automation_consumer.config.settings import OnUnknown
from automation_consumer.config.templates import Code as TemplateCode
from automation_consumer.errors import PluginError
from automation_consumer.model.run import Phase, RunStatus
from automation_consumer.pipeline.gate import ORDER
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.sources.formats.reasons import Reason

_MEMBER: Final = re.compile(r"^    ([A-Z_]+) = [^#\n]+?(?:#(?: noqa: \S+ \([^)]*\):)? ?(.*))?$", re.MULTILINE)
_SECTIONS: Final[tuple[tuple[str, str, tuple[type[Enum], ...]], ...]] = (
    ("Exit codes", "Of every command.", (Exit,)),
    ("States of a run", "What `runs` shows. The first three are open, the others are final.", (RunStatus,)),
    ("Phases of a run", "The part of its condition that a run belongs to.", (Phase,)),
    ("Results of a condition", "The log's events `condition.…`.", (ConditionResult,)),
    (
        "Problems of a configuration",
        "The `code` in `validate -o json`; the severity is `error` or `warning`.",
        (ConfigCode, ConditionCode, TemplateCode),
    ),
    ("Severities", "Of such a problem.", (Severity,)),
    (
        "Why a message is poison",
        "The `automation.reason` of a dead letter, and the label `reason` of `automation_dead_letters_total`.",
        (Reason,),
    ),
    ("`on_unknown`", "Of an action.", (OnUnknown,)),
)
_INTERNAL: Final = """
Besides these a dead letter may say `internal-error`: the message is sound, but handling it met a mistake in this
program. Please report it, with the line `incident.bug` of the log.
"""
_CHECKS: Final = """
Why a run was `skipped`: its reason begins with the name of the check that denied it.
"""
_SAID: Final = {
    "enabled": "the action has `enabled: false`",
    "when": "the action's `when` is false for this alert",
    "rerun": "it has been done for this alert, and the condition's `rerun` says not again",
    "cooldown": "it was done for this host a moment ago",
    "stale": "the incident is older than `max_age`",
    "paused": "an operator has paused it: it can be run later by `resume --run-skipped` or `runs retry`",
    "budget": "it has run `max_executions_per_hour` times within the last hour",
    "resolved": "the incident was resolved before this began, and its condition's `on_resolved` says to leave it",
    "withdrawn": "it was cancelled before it began",
    "unresolved": "an earlier run ended `unknown`: a human must look, or the action says `on_unknown: rerun`",
}
_PLAIN: Final = {
    "DONE": "it was done",
    "SUCCEEDED": "it did what it should",
    "FAILED": "it did not, and nothing more will be tried",
    "CANCELLED": "it was ended before it was done",
    "ALERT": "for each handled alert",
    "ON_SUCCESS": "once, when all went well",
    "ON_FAILURE": "once, when it did not",
}
"""Members whose name says enough in the code, for readers who only see this page."""


def codes() -> str:
    """The page."""
    parts: list[str] = []
    for title, intro, enums in _SECTIONS:
        rows = [(code(str(value)), said) for each in enums for value, said in members(each)]
        parts += [f"## {title}", intro, table(("word", "meaning"), rows)]
        if enums == (Reason,):
            parts.append(_INTERNAL)
    checks = [
        (code(name), _SAID[name]) for name in (*(each.name for each in ORDER), "unresolved", "withdrawn")
    ]
    parts += ["## Safety checks", _CHECKS, table(("check", "meaning"), checks)]
    return page(
        "Codes and states", "Words that scripts may rely on: they are added to, never renamed.", *parts
    )


def members(enum: type[Enum]) -> list[tuple[Any, str]]:
    """Each value with the comment beside it in the code. PluginError when a member has none."""
    beside = dict(_MEMBER.findall(inspect.getsource(enum)))
    found = [(each.value, beside.get(each.name, "").strip() or _PLAIN.get(each.name, "")) for each in enum]
    silent = [str(value) for value, said in found if not said]
    if silent:
        raise PluginError(f"{enum.__qualname__}: members without a comment: {', '.join(silent)}")
    return found
