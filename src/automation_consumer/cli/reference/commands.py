"""The page of the command line, from the command table itself."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import typer

from automation_consumer.cli.main import app
from automation_consumer.cli.reference.markdown import block, code, page, table

_INTRO: Final = """
`automation-consumer COMMAND`, or `python -m automation_consumer COMMAND`. Facts go to stdout, logs and progress to
stderr; with `-o json` stdout is one JSON document and nothing else.

Exit codes: 0, done; 1, the answer is no (an invalid configuration, a failed run with `--once`); 2, it could not be done
(usage, no journal, no broker for `publish`).
"""
_WORDS: Final[dict[Any, str]] = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}


def commands() -> str:
    """The page."""
    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in _leaves(group):
        said = " ".join((command.help or "").split())
        parts += [f"## {name}", said, block("text", _usage(name, command)), _parameters(command)]
    return page("Command line", _INTRO, *parts)


def _leaves(group: Any, *above: str) -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it, also those of groups (`dlq list`)."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _leaves(command, *above, name)
        else:
            yield " ".join((*above, name)), command


def _usage(name: str, command: Any) -> str:
    words = [_argument(each) for each in command.params if each.param_type_name == "argument"]
    return " ".join(("automation-consumer", name, "[OPTIONS]", *words))


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper() + ("…" if parameter.nargs == -1 else ""))


def _parameters(command: Any) -> str:
    hints = get_type_hints(command.callback)
    rows = []
    for each in command.params:
        if each.param_type_name == "argument":
            rows.append((code(_argument(each)), each.help or ""))
        else:
            value = _value(each, _plain(hints[each.name]))
            rows.append((", ".join(code(flag + value) for flag in sorted(each.opts)), _said(each, hints)))
    return table(("argument or option", "meaning"), rows) if rows else ""


def _plain(hint: Any) -> Any:
    """The type of a value that may be left out."""
    return next((each for each in get_args(hint) if each is not type(None)), hint)


def _value(option: Any, kind: Any) -> str:
    if option.is_flag:
        return ""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f" {option.metavar or option.name.upper()}"
    return f" {option.metavar or _WORDS[kind]}"


def _said(option: Any, hints: dict[str, Any]) -> str:
    said, kind = option.help or "", _plain(hints[option.name])
    if isinstance(kind, type) and issubclass(kind, Enum):
        said += f" One of {', '.join(code(str(each.value)) for each in kind)}."
    if option.default is not None and not option.is_flag:
        said += f" Default: {code(str(getattr(option.default, 'value', option.default)))}."
    return str(said).strip()
