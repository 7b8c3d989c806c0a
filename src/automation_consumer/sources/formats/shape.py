"""Checking a parsed document against the shape that a format reads. Keys that a format does not read may be anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
import orjson

from automation_consumer.model.incident import Alert
from automation_consumer.sources.formats.reasons import Reason, poison

Shape = TypeVar("Shape", bound=msgspec.Struct)

LATEST: Final = 253_402_300_799  # the last second of the year 9999
Id = str | int | None
Seconds = Annotated[float, msgspec.Meta(ge=0, le=LATEST)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=LATEST * 1000)]
Moment = Seconds | datetime | None
"""Epoch seconds, or an ISO 8601 text (RFC 3339)."""


def shape(document: Any, kind: type[Shape], at: str = "") -> Shape:
    """`document` as `kind`. Raises DecodeError; `at` is where in the message the document stands (`.event`)."""
    if not isinstance(document, dict):
        where = f" at `${at}`" if at else ""
        raise poison(Reason.NOT_AN_INCIDENT, f"expected an object{where}, got {json_type(document)}")
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        complaint = str(error)
        out_of_range = "` >= " in complaint or "` <= " in complaint
        reason = Reason.NUMBER_OUT_OF_RANGE if out_of_range else Reason.WRONG_TYPE
        raise poison(reason, complaint.replace("`$", f"`${at}")) from None


def json_type(value: Any) -> str:
    """The value's type in JSON's words."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def identity(value: Id, field: str) -> str:
    """The id as text. Raises DecodeError where there is none: without an id nothing can be told apart."""
    if value is None:
        raise poison(Reason.NOT_AN_INCIDENT, f"there is no `{field}`, and an incident must have an id")
    text = str(value)
    if not text or text.isspace():
        raise poison(Reason.NOT_AN_INCIDENT, f"`{field}` is empty, and an incident must have an id")
    return text


def digest(value: Any) -> str:
    """16 hex digits that stand for plain data; the same data give the same digits, whatever the keys' order."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def seconds(moment: float | datetime | None) -> float | None:
    """Epoch seconds. A time without zone is UTC; the year 1 is how Go programs write that there is none."""
    if not isinstance(moment, datetime):
        return moment
    if moment.year == 1:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def distinct(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """The alerts, with `~2`, `~3`… after an id that came before: a run is known by its alert's id."""
    seen: dict[str, int] = {}
    result = []
    for alert in alerts:
        count = seen[alert.id] = seen.get(alert.id, 0) + 1
        result.append(alert if count == 1 else msgspec.structs.replace(alert, id=f"{alert.id}~{count}"))
    return tuple(result)
