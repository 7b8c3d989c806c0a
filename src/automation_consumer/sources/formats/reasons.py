"""Why a message is poison: the stable codes that dead letters and metrics carry."""

from __future__ import annotations

from enum import StrEnum

from automation_consumer.errors import DecodeError


class Reason(StrEnum):
    """The code of a `DecodeError`. Codes are part of the dead letters' contract: added to, never renamed."""

    EMPTY = "empty"  # a tombstone or zero bytes
    TOO_LARGE = "too-large"  # more bytes than kafka.max_message_bytes
    NOT_JSON = "not-json"  # the text is not one JSON document
    TOO_DEEP = "too-deep"  # arrays and objects nested beyond the limit
    DUPLICATE_KEY = "duplicate-key"  # an object says the same key twice: which one is meant?
    NUL_CHARACTER = "nul-character"  # U+0000, which no shell, database or header can carry
    BAD_UNICODE = "bad-unicode"  # not UTF-8, or half of a surrogate pair
    NUMBER_OUT_OF_RANGE = "number-out-of-range"  # not finite, beyond signed 64 bits, or no possible time
    WRONG_TYPE = "wrong-type"  # a field that is read has a value of another type
    NOT_AN_INCIDENT = "not-an-incident"  # sound JSON, but no incident: no id, or an event of another kind


def poison(reason: Reason, detail: str) -> DecodeError:
    """The error that says a message can never become an incident; `detail` is one sentence for people."""
    return DecodeError(reason.value, detail)
