"""Times whose writing is not known beforehand: epoch seconds or milliseconds, or ISO 8601."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import LATEST, json_type, seconds

_MILLISECONDS_FROM: Final = 100_000_000_000  # as seconds the year 5138, as milliseconds the year 1973


def instant(value: Any, field: str) -> float | None:
    """Epoch seconds (UTC) of a number (from 10^11 on: milliseconds), its digits, or an ISO 8601 text; None of None.

    Raises DecodeError, naming `field`.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = _number_or_iso(value.strip(), field)
    if isinstance(value, datetime):
        return seconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise poison(Reason.WRONG_TYPE, f"`{field}` is {json_type(value)}, not a time")
    result = value / 1000 if value >= _MILLISECONDS_FROM else float(value)
    if not 0 <= result <= LATEST:
        raise poison(Reason.NUMBER_OUT_OF_RANGE, f"`{field}` is {value}, which is no time since 1970")
    return result


def _number_or_iso(text: str, field: str) -> int | datetime:
    if text.isascii() and text.isdigit() and len(text) <= 20:
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise poison(Reason.WRONG_TYPE, f"`{field}` is {text[:40]!a}, not a time") from None
