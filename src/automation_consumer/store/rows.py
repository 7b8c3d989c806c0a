"""Runs as rows of SQL and back."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import msgspec
import orjson

from automation_consumer.model.run import Phase, Run, RunChange, RunStatus

COLUMNS = tuple(field.name for field in msgspec.structs.fields(Run))
JSON_COLUMNS = frozenset({"params", "handle", "data"})
SELECT = "SELECT " + ", ".join(f'"{name}"' for name in COLUMNS) + " FROM runs"  # noqa: S608 - our own names
INSERT = (
    "INSERT OR IGNORE INTO runs ("  # noqa: S608 - our own names
    + ", ".join(f'"{name}"' for name in COLUMNS)
    + ") VALUES ("
    + ", ".join("?" * len(COLUMNS))
    + ")"
)


def to_column(name: str, value: Any) -> Any:
    """A field's value as SQLite takes it."""
    if name in JSON_COLUMNS:
        return None if value is None else _json(value)
    return value


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(value, default=str)


def to_row(run: Run) -> tuple[Any, ...]:
    return tuple(to_column(name, getattr(run, name)) for name in COLUMNS)


def from_row(row: sqlite3.Row | tuple[Any, ...]) -> Run:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in JSON_COLUMNS:
        if values[name] is not None:
            values[name] = json.loads(values[name])
    values["status"] = RunStatus(values["status"])
    values["phase"] = Phase(values["phase"])
    return Run(**values)


def change_from_row(row: tuple[Any, ...]) -> RunChange:
    at, status, detail = row
    return RunChange(at, RunStatus(status), detail)
