"""The slow, exact reading of a suspicious JSON text: which reason it is poison for, or none."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from automation_consumer.errors import DecodeError
from automation_consumer.sources.formats.reasons import Reason, poison

MAX_DEPTH: Final = 254  # levels; also the deepest document that orjson writes
_INTEGERS: Final = range(-(2**63), 2**63)
_MAX_DIGITS: Final = 20  # longer is out of range for sure, and int() of a huge text is slow
_NOT_BRACKETS: Final = bytes(code for code in range(256) if code not in b"[]{}")


def refuse_ambiguity(raw: bytes) -> None:
    """Raise DecodeError if a text that orjson accepts is poison after all."""
    if _depth_exceeds(raw, MAX_DEPTH):
        raise poison(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
    _refuse_characters(_load(raw.decode()))


def diagnose(raw: bytes, complaint: str) -> DecodeError:
    """The error for a text that orjson refuses with `complaint`."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return poison(Reason.BAD_UNICODE, f"not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}")
    if "\x00" in text:
        return poison(Reason.NUL_CHARACTER, f"a NUL byte at {text.index(chr(0))}")
    try:
        refuse_ambiguity(raw)
    except DecodeError as error:
        return error
    except json.JSONDecodeError:
        pass  # orjson's words are the better ones
    return poison(Reason.NOT_JSON, complaint)


def _depth_exceeds(raw: bytes, limit: int) -> bool:
    """Whether brackets outside strings nest deeper than `limit`. Linear in time, also for broken JSON."""
    outside_strings = raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    depth = 0
    for code in b"".join(outside_strings).translate(None, _NOT_BRACKETS):
        depth += 1 if code in b"[{" else -1
        if depth > limit:
            return True
    return False


def _load(text: str) -> Any:
    """The document, by Python's own reader, which lets us see every key and number as it is written."""
    return json.loads(
        text,
        object_pairs_hook=_members,
        parse_int=_integer,
        parse_float=_float,
        parse_constant=_constant,
    )


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise poison(Reason.DUPLICATE_KEY, f"an object has the key {_shown(key)} twice")
            seen.add(key)
    return members


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or int(digits) not in _INTEGERS:
        raise poison(Reason.NUMBER_OUT_OF_RANGE, f"the integer {digits[:40]} needs more than 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise poison(Reason.NUMBER_OUT_OF_RANGE, f"the number {digits[:40]} is too large")
    return value


def _constant(name: str) -> float:
    raise poison(Reason.NUMBER_OUT_OF_RANGE, f"{name} is not a JSON number")


def _refuse_characters(document: Any) -> None:
    """Raise DecodeError for a NUL or half a surrogate pair in any string, keys included."""
    todo = [document]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            _refuse_characters_of(value)
        elif isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, dict):
            todo.extend(value)
            todo.extend(value.values())


def _refuse_characters_of(text: str) -> None:
    if "\x00" in text:
        raise poison(Reason.NUL_CHARACTER, f"the string {_shown(text)} has the character U+0000")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise poison(Reason.BAD_UNICODE, f"the string {_shown(text)} has half of a surrogate pair")


def _shown(text: str) -> str:
    """A piece of the message, safe to show: escaped and cut."""
    return ascii(text[:60])
