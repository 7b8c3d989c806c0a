"""Typed parameters of an action: a frozen, strict pydantic model, every field described.

A string may be a template; it is rendered before the action sees it. `Escape` on a field says how every
value that comes from an incident is quoted there, so that alert text stays data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_DURATION_S: Final = 3650 * 86400.0
"""About ten years: added to any time of ours, it is still a date."""


def parse_duration(value: Any) -> float:
    """`30s`, `5m`, `1h`, `2d`, `500ms` or a number of seconds, as seconds: ten years (3650d) at most.

    ValueError says what is accepted.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a duration is a number of seconds, or a text such as 30s, 5m, 1h")
    if isinstance(value, str):
        found = _DURATION.match(value.strip())
        if not found:
            raise ValueError(f"{value!r} is not a duration: write 30s, 5m, 1h or a number of seconds")
        return _bounded(float(found[1]) * _UNIT_S[found[2]])
    if value < 0:
        raise ValueError("a duration cannot be negative")
    return _bounded(value)


def _bounded(seconds: float) -> float:
    if not seconds <= MAX_DURATION_S:  # nor is `nan`
        raise ValueError("a duration cannot be longer than ten years (3650d)")
    return float(seconds)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX_DURATION_S},
                {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$"},
            ],
            "x-kind": "duration",
        }
    ),
]
"""Seconds as a float; in YAML `30s`, `5m`, `1h` or a plain number of seconds."""

SecretName = Annotated[
    str, Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$", json_schema_extra={"x-kind": "secret"})
]
"""The name of a secret (not the secret): `auth_secret: sd-token`."""


class Escaping(StrEnum):
    """How a value from an incident is quoted when it enters a field's template."""

    NONE = "none"
    URL = "url"  # percent-encoded, so that it cannot change host or path
    SHELL = "shell"  # one quoted word of a POSIX shell
    SLACK = "slack"  # &, < and > as entities, so that it cannot ping or link


@dataclass(frozen=True)
class Escape:
    """Field annotation: `Annotated[str, Escape("url")]`."""

    kind: str

    def __post_init__(self) -> None:
        Escaping(self.kind)


class Params(BaseModel):
    """Base of every action's parameters. Unknown fields are refused, values are never coerced."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    @classmethod
    def escaping(cls, field: str) -> Escaping:
        """How incident values are quoted in that field."""
        info = cls.model_fields.get(field)
        if info is None:
            return Escaping.NONE
        marks = [*info.metadata, *_marks_in(info.annotation)]
        return next((Escaping(mark.kind) for mark in marks if isinstance(mark, Escape)), Escaping.NONE)


def _marks_in(annotation: Any) -> Iterator[Any]:
    """Marks inside a type: `Annotated[str, Escape("url")] | None` must not lose its escaping."""
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _marks_in(inner)
