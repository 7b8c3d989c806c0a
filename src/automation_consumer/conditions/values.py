"""What a field's value is to an operator: elements, text, a number, an instant.

* A value that is None, and a list without elements, is *absent*.
* A list stands for its elements; anything else is its own single element.
* Text is what equality compares: booleans are `true` and `false`, numbers are canonical (1, 1.0 and `"1"` are
  all `1`), everything else is its `str()`; case matters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

Number: TypeAlias = int | float

_NUMBER = re.compile(
    r"[ \t]*[+-]?(?:[0-9]+(?P<float>\.[0-9]*)?|(?P<bare>\.[0-9]+))(?P<exp>[eE][+-]?[0-9]{1,4})?[ \t]*"
)
_NUMBER_LENGTH = 64  # longer digits are an id, not a quantity
_INTEGER_BITS = 4096  # Python refuses to print integers of more than 4300 digits


def elements(value: Any) -> Sequence[Any]:
    """The elements of a value; empty when it is absent."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return [element for element in value if element is not None]
    return (value,)


def text(value: Any) -> str:
    """The text of one element."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _INTEGER_BITS else hex(value)
    return str(value)


def number(value: Any) -> Number | None:
    """The number that an element is or that its text writes; None when it is neither (NaN and booleans are not)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value if value == value else None  # noqa: PLR0124 (NaN is the one value that differs from itself)
    if not isinstance(value, str) or len(value) > _NUMBER_LENGTH:
        return None
    found = _NUMBER.fullmatch(value)
    if found is None:
        return None
    return float(value) if found["float"] or found["bare"] or found["exp"] else int(value)


def instant(value: Any) -> float | None:
    """Seconds since the epoch of a number or of an ISO 8601 time (UTC when it names no offset); None when it is neither."""
    seconds = number(value)
    if seconds is not None:
        try:
            return float(seconds)
        except OverflowError:
            return None
    return iso_instant(value) if isinstance(value, str) else None


def iso_instant(value: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time; None when the text is not one."""
    if len(value) > _NUMBER_LENGTH:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
