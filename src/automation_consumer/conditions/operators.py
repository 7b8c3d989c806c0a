"""The match operators. Each is compiled once, with its operand, to a test of a field's value.

Semantics, for all operators (see `values` for what text, number and absent mean):

* On an absent value only `exists: false`, `not_equals` and `not_in` hold (and a `not` around anything else).
* A list stands for its elements: `not_equals` and `not_in` hold if no element equals; every other operator holds
  if any element satisfies it.
* `equals`, `in` compare by text; `regex`, `glob`, `contains`, `starts_with`, `ends_with` look at the text.
* `regex` is RE2 and searches anywhere in the text; `glob` is about the whole text.
* `gt gte lt lte` hold between numbers or texts that write numbers; on `started_at` and `updated_at` the operand may
  be an ISO 8601 time. Between anything else they are false, never an error.
* `older_than`, `younger_than`: the age of a time (epoch seconds or ISO 8601) is greater, or less, than a duration.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeAlias

from automation_consumer.conditions.fields import Field
from automation_consumer.conditions.patterns import PatternError, glob_pattern, searcher
from automation_consumer.conditions.values import elements, instant, iso_instant, number, text
from automation_consumer.plugin.params import parse_duration

Test: TypeAlias = Callable[[Any, float], bool]
"""`test(value, now)`: whether a field's value passes, at a moment in epoch seconds."""

Operand: TypeAlias = str | frozenset[str] | float | bool
"""An operand in canonical form: two clauses with equal operands mean the same."""


class Operator(StrEnum):
    """How a field's value is compared with what the condition says."""

    EQUALS = "equals"  # the text is this
    NOT_EQUALS = "not_equals"  # nothing there has this text
    IN = "in"  # the text is one of these
    NOT_IN = "not_in"  # nothing there has one of these texts
    REGEX = "regex"  # the pattern is found in the text
    GLOB = "glob"  # the whole text fits the pattern
    CONTAINS = "contains"  # the text has this within
    STARTS_WITH = "starts_with"  # the text begins with this
    ENDS_WITH = "ends_with"  # the text ends with this
    GT = "gt"  # greater than
    GTE = "gte"  # greater than or equal
    LT = "lt"  # less than
    LTE = "lte"  # less than or equal
    EXISTS = "exists"  # whether there is a value
    OLDER_THAN = "older_than"  # longer ago than the duration
    YOUNGER_THAN = "younger_than"  # less long ago than the duration


EQUALITIES = frozenset({Operator.EQUALS, Operator.IN})
NEGATIONS = frozenset({Operator.NOT_EQUALS, Operator.NOT_IN})
AGES = frozenset({Operator.OLDER_THAN, Operator.YOUNGER_THAN})
_COMPARISONS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
}


class OperandError(ValueError):
    """An operand that its operator cannot work with; the message says what is wanted."""


def compile_test(name: Operator, expected: Any, field: Field) -> tuple[Operand, Test]:
    """The canonical operand and the test. OperandError when `expected` does not suit the operator."""
    if name in EQUALITIES or name in NEGATIONS:
        wanted = (
            frozenset({_scalar(name, expected)}) if name.value.endswith("equals") else _texts(name, expected)
        )
        return wanted, (_one_of(wanted) if name in EQUALITIES else _none_of(wanted))
    if name in _COMPARISONS:
        bound = _bound(name, expected, field)
        return bound, _compares(_COMPARISONS[name], bound)
    if name in AGES:
        duration = _duration(name, expected)
        return duration, _age(name, duration)
    if name is Operator.EXISTS:
        if not isinstance(expected, bool):
            raise OperandError("exists is true or false")
        return expected, _exists(expected)
    wanted_text = _scalar(name, expected)
    return wanted_text, _any_element(_text_test(name, wanted_text))


def _one_of(wanted: frozenset[str]) -> Test:
    def test(value: Any, now: float) -> bool:
        if type(value) is str:
            return value in wanted
        return any(text(element) in wanted for element in elements(value))

    return test


def _none_of(wanted: frozenset[str]) -> Test:
    def test(value: Any, now: float) -> bool:
        return not any(text(element) in wanted for element in elements(value))

    return test


def _any_element(single: Callable[[str], bool]) -> Test:
    def test(value: Any, now: float) -> bool:
        if type(value) is str:
            return single(value)
        return any(single(text(element)) for element in elements(value))

    return test


def _text_test(name: Operator, wanted: str) -> Callable[[str], bool]:
    match name:
        case Operator.CONTAINS:
            return lambda value: wanted in value
        case Operator.STARTS_WITH:
            return lambda value: value.startswith(wanted)
        case Operator.ENDS_WITH:
            return lambda value: value.endswith(wanted)
    try:
        return searcher(glob_pattern(wanted) if name is Operator.GLOB else wanted)
    except PatternError as error:
        raise OperandError(f"the {name.value} {wanted[:200]!r} does not compile: {error}") from error


def _compares(holds: Callable[[Any, Any], bool], bound: float) -> Test:
    def test(value: Any, now: float) -> bool:
        return any(
            (found := number(element)) is not None and holds(found, bound) for element in elements(value)
        )

    return test


def _age(name: Operator, duration: float) -> Test:
    older = name is Operator.OLDER_THAN

    def test(value: Any, now: float) -> bool:
        for element in elements(value):
            then = instant(element)
            if then is not None and (now - then > duration if older else now - then < duration):
                return True
        return False

    return test


def _exists(wanted: bool) -> Test:
    def test(value: Any, now: float) -> bool:
        return bool(elements(value)) is wanted

    return test


def _scalar(name: Operator, expected: Any) -> str:
    if expected is None:
        raise OperandError(f"{name.value} needs a value; for a field that is not there write exists: false")
    if not isinstance(expected, (str, bool, int, float)):
        many = "; for several values write in: [...]" if name is Operator.EQUALS else ""
        raise OperandError(f"{name.value} takes one text, number or boolean{many}")
    return text(expected)


def _texts(name: Operator, expected: Any) -> frozenset[str]:
    if not isinstance(expected, (list, tuple)):
        raise OperandError(f"{name.value} takes a list of values")
    if not expected:
        raise OperandError(f"{name.value} has an empty list, which no value is in")
    return frozenset(_scalar(name, value) for value in expected)


def _bound(name: Operator, expected: Any, field: Field) -> float:
    bound = number(expected)
    if bound is None and field.is_time and isinstance(expected, str):
        bound = iso_instant(expected)
    if bound is None:
        wanted = "a number (epoch seconds) or an ISO 8601 time" if field.is_time else "a number"
        raise OperandError(f"{name.value} takes {wanted}, got {expected!r}")
    return bound


def _duration(name: Operator, expected: Any) -> float:
    try:
        return parse_duration(expected)
    except ValueError as error:
        raise OperandError(f"{name.value}: {error}") from error
