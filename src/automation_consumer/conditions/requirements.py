"""What a tree requires of one field, in a form that an index can look up. Necessary, not sufficient."""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import TypeAlias

from automation_consumer.conditions.fields import TAG_PREFIX, Field, Subject
from automation_consumer.conditions.operators import EQUALITIES, Operator
from automation_consumer.conditions.patterns import escape, glob_literal, glob_pattern, literal_prefix
from automation_consumer.conditions.tree import AnyOf, Clause, Node, required


class Kind(StrEnum):
    """How the field's text is related to the values of a requirement, one of which it must meet."""

    EQUAL = "equal"  # it is one of the values
    PREFIX = "prefix"  # it begins with one of the values
    SEARCH = "search"  # one of the values, a pattern, is found in it
    TAG = "tag"  # some tag: the values are pairs of the tag's name and its text


Lookup: TypeAlias = tuple[Subject, Kind, str]
"""What is looked up: subject, kind, the field's path (`tags` for the kind TAG)."""

Requirements: TypeAlias = dict[Lookup, frozenset[Hashable]]
"""Per lookup the values of which at least one must be met."""


def requirements(node: Node) -> Requirements:
    """What must be met by everything that the tree takes; the smallest set of values where there are several."""
    found: Requirements = {}
    for part in required(node):
        for lookup, values in _of(part).items():
            if lookup not in found or len(values) < len(found[lookup]):
                found[lookup] = values
    return found


def _of(part: Node) -> Requirements:
    if isinstance(part, Clause):
        return _of_clause(part)
    if isinstance(part, AnyOf) and part.children:
        first, *rest = [requirements(child) for child in part.children]
        common = set(first).intersection(*rest)
        return {lookup: first[lookup].union(*(each[lookup] for each in rest)) for lookup in common}
    return {}


def _of_clause(clause: Clause) -> Requirements:
    if clause.operator in EQUALITIES and isinstance(clause.operand, frozenset):
        return _equal(clause.field, clause.operand)
    if not isinstance(clause.operand, str):
        return {}
    literal, whole = _literal(clause.operator, clause.operand)
    if whole:
        return _equal(clause.field, frozenset({literal}))
    found: Requirements = {}
    if literal:
        found[_lookup(clause.field, Kind.PREFIX)] = frozenset({literal})
    pattern = search_pattern(clause)
    if pattern is not None:
        found[_lookup(clause.field, Kind.SEARCH)] = frozenset({pattern})
    return found


def _equal(field: Field, values: frozenset[str]) -> Requirements:
    found: Requirements = {_lookup(field, Kind.EQUAL): frozenset(values)}
    if field.is_tag:
        name = field.path.removeprefix(TAG_PREFIX)
        found[(field.subject, Kind.TAG, "tags")] = frozenset((name, value) for value in values)
    return found


def _lookup(field: Field, kind: Kind) -> Lookup:
    return (field.subject, kind, field.path)


def _literal(operator: Operator, operand: str) -> tuple[str, bool]:
    """What the text begins with, and whether that is all of it."""
    match operator:
        case Operator.STARTS_WITH:
            return operand, False
        case Operator.REGEX:
            return literal_prefix(operand), False
        case Operator.GLOB:
            return glob_literal(operand)
    return "", False


def search_pattern(clause: Clause) -> str | None:
    """The pattern that is found in exactly the texts that satisfy a clause on text; None for the other operators."""
    operand = clause.operand
    if not isinstance(operand, str):
        return None
    match clause.operator:
        case Operator.REGEX:
            return operand
        case Operator.GLOB:
            return glob_pattern(operand)
        case Operator.STARTS_WITH:
            return r"\A" + escape(operand)
        case Operator.ENDS_WITH:
            return escape(operand) + r"\z"
        case Operator.CONTAINS:
            return escape(operand)
    return None
