"""Bytes to a JSON document, strictly: what other readers would understand differently is refused.

This is on the way of every message, so the checks that orjson does not make are proven cheaply: a text that
equals its own canonical form (whitespace aside) has no duplicate key and no number that lost digits. Only a
text that does not is looked at more closely, and only a suspicious one is read a second time, slowly.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from automation_consumer.sources.formats.exact import diagnose, refuse_ambiguity
from automation_consumer.sources.formats.reasons import Reason, poison

_WHITESPACE: Final = b" \n\r\t"
_DIGITS_AS_ZERO: Final = bytes(48 if 48 <= code < 58 else code for code in range(256))
_LONG_RUN: Final = b"0" * 19  # the shortest integer beyond 64 bits has 19 digits
_BEFORE_A_NUMBER: Final = b":,[- \t\n\r"


def parse(raw: bytes | None, max_bytes: int) -> Any:
    """The JSON document in `raw`. Raises DecodeError with a `Reason` if it is poison. Does not block."""
    if not raw:
        detail = "a tombstone: the message has no value" if raw is None else "the value has no bytes"
        raise poison(Reason.EMPTY, detail)
    if len(raw) > max_bytes:
        raise poison(Reason.TOO_LARGE, f"{len(raw)} bytes, and kafka.max_message_bytes allows {max_bytes}")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise diagnose(raw, str(error)) from None
    try:
        canonical = orjson.dumps(document, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:  # nested too deep, or an integer of more than 53 bits
        refuse_ambiguity(raw)
    else:
        if canonical != raw and _may_be_ambiguous(raw, canonical):
            refuse_ambiguity(raw)
    if b"\\" in raw and b"\\u0000" in raw:
        refuse_ambiguity(raw)
    return document


def _may_be_ambiguous(raw: bytes, canonical: bytes) -> bool:
    """Whether `raw` may have a duplicate key or an integer beyond 64 bits. False is certain, True is not.

    Equal texts have the same tokens, so no member and no digit was lost. Otherwise every member has quotes
    of its own: the same number of quotes means the same members, unless some were written as an escape.
    """
    escaped = b"\\" in raw and b"\\u" in raw
    if not escaped and raw.translate(None, _WHITESPACE) == canonical.translate(None, _WHITESPACE):
        return False
    return (
        raw.count(b'"') != canonical.count(b'"')
        or (escaped and b"\\u0022" in raw)
        or _may_have_long_integer(raw)
    )


def _may_have_long_integer(raw: bytes) -> bool:
    """Whether 19 digits stand in a row where a number may begin. Ids have long runs, too, but after a quote."""
    zeros = raw.translate(_DIGITS_AS_ZERO)
    at = zeros.find(_LONG_RUN)
    while at >= 0:
        if at == 0 or zeros[at - 1] in _BEFORE_A_NUMBER:
            return True
        at = zeros.find(_LONG_RUN, at + len(_LONG_RUN))
    return False
