"""The page of all log events, from the calls of loggers in the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, NamedTuple

from automation_consumer.cli.reference.markdown import code, page, table

_LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "log": "by its result",
}
_PLACEHOLDER: Final = re.compile(r"%[-.0-9,]*[a-z]")
_INTRO: Final = """
Every line of the log has `event`, a stable name to search and to alert for; this page has all of them. Where the level is
`error` somebody should look; `warning` is what mends itself, or what an operator has asked for. `…` in a text stands for
what is filled in; in `run.…` it is the state of the run, in `condition.…` the result of the condition
([codes and states](codes.md)). The most important ones are told in [operations](operations.md#logs).
"""


class LogEvent(NamedTuple):
    """One line that may be logged."""

    name: str
    level: str
    module: str
    text: str


def events() -> str:
    """The page."""
    rows = [(code(each.name), each.level, code(each.module), each.text) for each in sorted(set(logged()))]
    return page("Log events", _INTRO, table(("event", "level", "where", "text"), rows))


def logged() -> Iterator[LogEvent]:
    """Every call of a logger in this package that names an event."""
    for module, source in _modules(files("automation_consumer"), ""):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from _of_call(node, node.func.attr, module)


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _modules(entry, f"{name}{entry.name}.")
        elif entry.name.endswith(".py"):
            yield name + entry.name.removesuffix(".py"), entry.read_text("utf-8")


def _of_call(call: ast.Call, method: str, module: str) -> Iterator[LogEvent]:
    event = next((each.value for each in call.keywords if each.arg == "event"), None)
    if event is None or method not in _LEVELS or not call.args:
        return
    said = call.args[method == "log"]
    for name in _texts(event):
        for text in _texts(said):
            yield LogEvent(name, _LEVELS[method], module, " ".join(_PLACEHOLDER.sub("…", text).split()))


def _texts(node: ast.expr) -> list[str]:
    """What an expression may be as a text; `…` for what is known only when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            return [*_texts(node.body), *_texts(node.orelse)]
        case ast.JoinedStr():
            return ["".join(_part(each) for each in node.values)]
        case _:
            return ["…"]


def _part(node: Any) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "…"
