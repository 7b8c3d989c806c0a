"""The nouns as rows of SQL and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from automation_consumer.model.message import Headers, Message
from automation_consumer.model.run import Phase, Run, RunChange, RunStatus
from automation_consumer.model.switch import Request, Scope, Switch, Wish
from automation_consumer.store.places import place

COLUMNS = tuple(field.name for field in msgspec.structs.fields(Run))
JSON_COLUMNS = frozenset({"params", "handle", "data"})
RUN = ", ".join(f'"{name}"' for name in COLUMNS)
MESSAGE = 'topic, "partition", "offset", timestamp_ms, "key", value, headers'
SWITCH = "id, scope, name, who, why, since, until"
REQUEST = 'id, wish, run_id, who, "at"'

_to_headers = msgspec.msgpack.Decoder(Headers).decode


def to_column(name: str, value: Any) -> Any:
    """A run's field as a database takes it."""
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


def from_row(row: tuple[Any, ...]) -> Run:
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


def message_to_row(message: Message) -> tuple[Any, ...]:
    headers = msgspec.msgpack.encode(message.headers)
    return (*place(message), message.key, message.value, headers)


def message_from_row(row: tuple[Any, ...]) -> Message:
    topic, partition, offset, timestamp_ms, key, value, headers = row
    return Message(topic, partition, offset, value, key, _to_headers(headers), timestamp_ms)


def switch_from_row(row: tuple[Any, ...]) -> Switch:
    switch_id, scope, *rest = row
    return Switch(switch_id, Scope(scope), *rest)


def request_from_row(row: tuple[Any, ...]) -> Request:
    request_id, wish, *rest = row
    return Request(request_id, Wish(wish), *rest)
