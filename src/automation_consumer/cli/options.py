"""Options that several commands have, and how they print."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import Checked, check


class Output(StrEnum):
    """How a command prints its facts."""

    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="File or folder. Default: $AUTOMATION_CONFIG, then ./config.yaml."),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="json: stdout is one JSON document and nothing else.")
]


def config_path(given: Path | None) -> Path:
    """The config that a command works on."""
    return given or Path(os.environ.get("AUTOMATION_CONFIG") or "config.yaml")


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def checked(path: Path, *, strict: bool = False) -> Checked:
    """The config with all of its problems; never raises for what the files say."""
    return check([path], Registry.installed(), os.environ, strict=strict)


def visible(text: str) -> str:
    """Text from outside with control characters shown, not obeyed: a terminal must not act on an incident's words."""
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)
