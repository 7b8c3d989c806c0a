"""How a run ended, as its action reports it."""

from __future__ import annotations

from typing import Any

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """What an action's `run` or `poll` returns.

    `ok`: whether it did what it should. `message`: one line for people. `url`: where to look.
    `output`: a tail of what it printed (bounded by the engine). `data`: results as plain JSON values.
    An action that could not do its work raises an `ActionError` instead.
    """

    ok: bool
    message: str = ""
    url: str | None = None
    output: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def success(cls, message: str = "", **rest: Any) -> Outcome:
        return cls(True, message, **rest)

    @classmethod
    def failure(cls, message: str, **rest: Any) -> Outcome:
        return cls(False, message, **rest)


class Handle(msgspec.Struct, frozen=True):
    """A remote job that `submit` started or `find` found: its id there, where people see it, and plain data for `poll`."""

    id: str
    url: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)
