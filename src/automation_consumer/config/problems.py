"""A problem of the configuration: where it stands, what it is, what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from automation_consumer.config.settings import Place

_PLAIN_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"  # the configuration cannot run
    WARNING = "warning"  # it runs, but probably not as it was meant


class Code(StrEnum):
    """What kind of problem it is. The values are stable: scripts may rely on them."""

    FILE_UNREADABLE = "file-unreadable"  # missing, not readable, not UTF-8, too large
    FILE_EMPTY = "file-empty"  # no configuration in it, or no file in the folder
    YAML_SYNTAX = "yaml-syntax"  # not YAML, or YAML beyond plain data
    YAML_DUPLICATE_KEY = "yaml-duplicate-key"  # a key twice in one mapping
    YAML_ALIAS = "yaml-alias"  # an alias within itself, unknown, or expanding beyond the limit
    YAML_DEPTH = "yaml-depth"  # nested too deeply
    MISSING_VARIABLE = "missing-variable"  # ${VAR} is not set and has no default
    BAD_VARIABLE = "bad-variable"  # ${ that is not ${NAME} or ${NAME:default}
    UNKNOWN_KEY = "unknown-key"  # a key that nothing reads
    MISSING_KEY = "missing-key"  # a key that must be there is not
    WRONG_TYPE = "wrong-type"  # a text where a number must be, and the like
    INVALID_VALUE = "invalid-value"  # the right type, but not an accepted value
    UNKNOWN_TYPE = "unknown-type"  # an action type that is not installed
    BROKEN_TYPE = "broken-type"  # an installed action type that cannot be loaded
    DUPLICATE_NAME = "duplicate-name"  # an action, condition, connection or variable twice
    DUPLICATE_SECTION = "duplicate-section"  # a section that may stand in one file stands in two
    UNKNOWN_ACTION = "unknown-action"  # a condition names an action that no one defined
    UNKNOWN_CONNECTION = "unknown-connection"  # an action names a connection that no one defined
    WRONG_SCOPE = "wrong-scope"  # an alert action in a list that runs once, or the reverse
    UNUSED_ACTION = "unused-action"  # no condition and no action names it
    MISSING_SECRET = "missing-secret"  # noqa: S105 (a code, not a secret): a named secret cannot be found
    NEEDS_RESTART = "needs-restart"  # valid, but a running process cannot take it up


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `path` is where it stands inside its file, as in `actions[0].pipeline_id`."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity.value}: {self.message}"

    def as_dict(self) -> dict[str, str | int]:
        """Plain data with exactly the keys that `validate -o json` promises."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "severity": self.severity.value,
            "code": str(self.code),
            "path": self.path,
            "message": self.message,
        }

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """What problems are sorted by: file, line, column."""
        return (self.file, self.line, self.column, str(self.code), self.message)


def problem(
    place: Place,
    code: str,
    message: str,
    *,
    path: Sequence[str | int] = (),
    severity: Severity = Severity.ERROR,
) -> Problem:
    """A problem at a place; `path` is given as a sequence of keys and indexes."""
    return Problem(place.file, place.line, place.column, severity, code, path_text(path), message)


def path_text(path: Sequence[str | int]) -> str:
    """A path as people write it: `actions[0].pipeline_id`, `match["tags.host"].regex`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.match(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Sorted by file, line and column, each once."""
    return sorted(dict.fromkeys(problems), key=lambda each: each.order)
