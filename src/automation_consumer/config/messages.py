"""What jsonschema and pydantic say, in plain words: one finding for each mistake, with did-you-mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from pydantic import ValidationError as ModelError

from automation_consumer.config.problems import Code, path_text
from automation_consumer.config.settings import NAME_PATTERN
from automation_consumer.config.suggest import closest, did_you_mean

Path = tuple[str | int, ...]
Written = Callable[[Path], str | None]
"""The scalar at a path as the file has it; None when that is not known."""

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_DURATION: Final = "a duration such as 30s, 5m or 1h, or a number of seconds"
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, at a path of the data that was validated. `at_key`: it is about the key, not the value."""

    path: Path
    code: Code
    message: str
    at_key: bool = False


def of_schema(error: ValidationError, subject: str, written: Written) -> Iterator[Finding]:
    """What a jsonschema error says of `subject` (`action 'rerun'`)."""
    keyword = str(error.validator)
    if keyword == "additionalProperties" and error.validator_value is False:
        yield from _unknown_keys(error, subject)
    elif keyword == "required":
        yield from _missing_keys(error, subject)
    elif keyword in ("anyOf", "oneOf"):
        yield from _alternatives(error, subject, written)
    else:
        got = _Got(error, subject, written)
        code, message = _EXPLAIN.get(keyword, _other)(got)
        yield Finding(got.path, code, message)


def of_model(error: ModelError, subject: str, *, own_only: bool = False) -> Iterator[Finding]:
    """What a pydantic model says of `subject`; with `own_only`, only what the validators say that its author wrote."""
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        if own_only and each["type"] not in ("value_error", "assertion_error"):
            continue
        path = tuple(each["loc"])
        said = each["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        yield Finding(path, Code.INVALID_VALUE, f"{_label(path, subject)}: {said}")


class _Got:
    """An error with the value that it is about."""

    def __init__(self, error: ValidationError, subject: str, written: Written) -> None:
        self.path: Path = tuple(error.absolute_path)
        self.schema: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
        self.expected: Any = error.validator_value
        self.value: Any = error.instance
        self.said = error.message
        self.label = _label(self.path, subject)
        self._written = written

    @property
    def kind(self) -> Any:
        return self.schema.get("x-kind")

    def shown(self) -> str:
        """The value for a message. What came from a variable is shown as the variable: it may be confidential."""
        written = self._written(self.path)
        if written is not None and "${" in written:
            return repr(_cut(written))
        return describe(self.value)


def describe(value: Any) -> str:
    """A value of the YAML as a message shows it: `text 'abc'`, `number 5`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"number {value}"
    if isinstance(value, str):
        return f"text {_cut(value)!r}"
    return "a list" if isinstance(value, list) else "a mapping"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _label(path: Path, subject: str) -> str:
    """The last key of the path and what follows it, as in `'topics[0]'`; the subject where there is no key."""
    for index in range(len(path) - 1, -1, -1):
        if isinstance(path[index], str):
            return f"'{path[index]}{path_text(path[index + 1 :])}'"
    return subject


def _within(path: Path, subject: str) -> str:
    return f"{_label(path, subject)} of {subject}" if any(isinstance(step, str) for step in path) else subject


def _unknown_keys(error: ValidationError, subject: str) -> Iterator[Finding]:
    schema: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    what = schema.get("x-key", "key")
    path = tuple(error.absolute_path)
    instance: Any = error.instance
    for key in instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        hint = did_you_mean(key, known)
        if what == "field" and not hint:
            hint = " (a tag is written tags.NAME)"
        message = f"unknown {what} {key!r} in {_within(path, subject)}{hint}"
        yield Finding((*path, key), Code.UNKNOWN_KEY, message, at_key=True)


def _missing_keys(error: ValidationError, subject: str) -> Iterator[Finding]:
    path = tuple(error.absolute_path)
    required: Any = error.validator_value
    instance: Any = error.instance
    for key in required:
        if key not in instance:
            yield Finding(path, Code.MISSING_KEY, f"{_within(path, subject)} needs {key!r}")


def _alternatives(error: ValidationError, subject: str, written: Written) -> Iterator[Finding]:
    """The errors of the one branch whose type fits; where none fits, the types that would."""
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(each.relative_schema_path[0], []).append(each)
    expected: list[str] = []
    for found in branches.values():
        wrong = [each for each in found if each.validator == "type" and not each.relative_path]
        if not wrong:
            for each in found:
                yield from of_schema(each, subject, written)
            return
        expected += [_expected(each.validator_value, {}) for each in wrong]
    got = _Got(error, subject, written)
    if not expected:
        yield Finding(got.path, Code.INVALID_VALUE, f"{got.label} fits more than one of its forms")
        return
    choices = " or ".join(dict.fromkeys(expected))
    yield Finding(got.path, Code.WRONG_TYPE, f"{got.label} must be {choices}, got {got.shown()}")


def _expected(types: Any, schema: dict[str, Any]) -> str:
    if schema.get("x-kind") == "duration":
        return _DURATION
    if schema.get("x-kind") == "clause":
        return "a value, a list of values, or a mapping of operators"
    names = types if isinstance(types, list) else [types]
    words = [_TYPES[name] for name in names if name in _TYPES] or ["nothing"]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _type(got: _Got) -> tuple[Code, str]:
    hint = ""
    if isinstance(got.value, str) and re.fullmatch(r"-?\d+(\.\d+)?", got.value) and got.kind != "duration":
        hint = " (remove the quotes)"
    elif isinstance(got.value, str) and got.value.lower() in ("yes", "no", "on", "off"):
        hint = " (YAML 1.2 has only true and false)"
    expected = _expected(got.expected, got.schema)
    return Code.WRONG_TYPE, f"{got.label} must be {expected}, got {got.shown()}{hint}"


def _enum(got: _Got) -> tuple[Code, str]:
    texts = [str(value) for value in got.expected]
    hint = did_you_mean(str(got.value), texts)
    if got.path == ("type",):
        return Code.UNKNOWN_TYPE, f"no action type {got.value!r} is installed{hint}"
    return Code.INVALID_VALUE, f"{got.label} must be one of {', '.join(texts)}; got {got.shown()}{hint}"


def _pattern(got: _Got) -> tuple[Code, str]:
    if got.kind == "duration":
        expected = f"must be {_DURATION}"
    elif got.kind == "secret":
        expected = "must be the name of a secret: letters, digits, '.', '_' and '-'"
    elif got.expected == NAME_PATTERN:
        expected = "must be a name: letters, digits, '_', '.' and '-', beginning with a letter or '_'"
    elif "description" in got.schema:
        expected = f"does not fit ({got.schema['description'].rstrip('.')})"
    else:
        expected = f"must match the pattern {got.expected}"
    return Code.INVALID_VALUE, f"{got.label} {expected}; got {got.shown()}"


def _bound(words: str) -> Callable[[_Got], tuple[Code, str]]:
    def explain(got: _Got) -> tuple[Code, str]:
        return Code.INVALID_VALUE, f"{got.label} must be {words} {got.expected}, got {got.shown()}"

    return explain


def _length(least: bool, unit: str) -> Callable[[_Got], tuple[Code, str]]:
    def explain(got: _Got) -> tuple[Code, str]:
        if least and got.expected == 1:
            return Code.INVALID_VALUE, f"{got.label} must not be empty"
        words = "at least" if least else "at most"
        return (
            Code.INVALID_VALUE,
            f"{got.label} must have {words} {got.expected} {unit}, got {len(got.value)}",
        )

    return explain


def _const(got: _Got) -> tuple[Code, str]:
    return Code.INVALID_VALUE, f"{got.label} must be {got.expected}, got {got.shown()}"


def _other(got: _Got) -> tuple[Code, str]:
    return Code.INVALID_VALUE, f"{got.label} is not valid: {got.said}"


_EXPLAIN: Final[dict[str, Callable[[_Got], tuple[Code, str]]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "exclusiveMinimum": _bound("more than"),
    "exclusiveMaximum": _bound("less than"),
    "multipleOf": _bound("a multiple of"),
    "minLength": _length(least=True, unit="characters"),
    "maxLength": _length(least=False, unit="characters"),
    "minItems": _length(least=True, unit="entries"),
    "maxItems": _length(least=False, unit="entries"),
    "minProperties": _length(least=True, unit="keys"),
    "maxProperties": _length(least=False, unit="keys"),
}


def near_miss(key: str, known: list[str]) -> Finding | None:
    """A key that goes through to someone else, but is so near to one of ours that it must be a slip."""
    found = closest(key, known, cutoff=0.85)
    if found is None or key in known:
        return None
    message = f"unknown key {key!r} in kafka (did you mean {found!r}?)"
    return Finding(("kafka", key), Code.UNKNOWN_KEY, message, at_key=True)
