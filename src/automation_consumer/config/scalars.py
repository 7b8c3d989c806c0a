"""What a plain YAML scalar means: the core schema of YAML 1.2, so that `no`, `on` and dates stay text."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_FIRST: Final = frozenset("-+.0123456789tTfFnN~")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~"), None),
}
_INT: Final = re.compile(r"[-+]?[0-9]+\Z")
_PREFIXED: Final = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_MAX_DIGITS: Final = 300

_CORE: Final = "tag:yaml.org,2002:"
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}


def typed(text: str) -> Any:
    """The value of a plain scalar. ValueError for a number that JSON cannot carry."""
    if not text:
        return None
    if text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return _number(text)


def _number(text: str) -> Any:
    if len(text) > _MAX_DIGITS:
        return text
    if _INT.match(text):
        return int(text)
    if _PREFIXED.match(text):
        return int(text, 0)
    if _NOT_FINITE.match(text):
        raise ValueError(f"{text} is not a number that can be used here; quote it if it is a text")
    if not _FLOAT.match(text):
        return text
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large a number; quote it if it is a text")
    return value


def tagged(tag: str, text: str) -> Any:
    """The value of a scalar with an explicit tag, such as `!!str 12`. ValueError when the tag is not plain data or does not fit."""
    name = tag.removeprefix(_CORE)
    if name == "str":
        return text
    accepted = _TYPES.get(name) if tag.startswith(_CORE) else None
    if accepted is None:
        raise ValueError(f"the tag {_short(tag)} is not plain data; remove it")
    value = typed(text)
    if type(value) not in accepted:
        raise ValueError(f"{text!r} is not what its tag {_short(tag)} says")
    return value


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag
