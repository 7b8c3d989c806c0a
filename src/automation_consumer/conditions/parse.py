"""From the YAML of `match` and `alerts` to a tree of clauses, with all of its mistakes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from automation_consumer.conditions.fields import Field, Subject, UnknownFieldError, field
from automation_consumer.conditions.operators import OperandError, Operator, compile_test
from automation_consumer.conditions.tree import All, AnyOf, Clause, Node, Not
from automation_consumer.config.suggest import did_you_mean

Path: TypeAlias = tuple[str | int, ...]


class Code(StrEnum):
    """What kind of mistake a condition has. The values are stable."""

    UNKNOWN_FIELD = "unknown-field"  # neither a field nor tags.<name>
    UNKNOWN_OPERATOR = "unknown-operator"  # a word that is no match operator
    BAD_OPERAND = "bad-operand"  # a value that the operator cannot work with
    BAD_CLAUSE = "bad-clause"  # not a tree of clauses where one must stand
    SHADOWED_CONDITION = "shadowed-condition"  # an earlier condition takes everything that this one would


Report: TypeAlias = Callable[[Path, Code, str], None]
"""`report(path, code, message)`: takes one mistake."""

_OPERATORS = {name.value: name for name in Operator}


def parse_tree(data: Any, subject: Subject, path: Path, report: Report) -> All:
    """The tree of a mapping of fields to clauses. What has a mistake is reported and left out."""
    if not isinstance(data, Mapping):
        report(path, Code.BAD_CLAUSE, "a mapping of fields to clauses must stand here")
        return All(())
    children: list[Node] = []
    for key, value in data.items():
        here = (*path, str(key))
        if key in ("all", "any"):
            trees = _trees(key, value, subject, here, report)
            children.append(All(trees) if key == "all" else AnyOf(trees))
        elif key == "not":
            children.append(Not(_filled(value, subject, here, report)))
        else:
            children.extend(_clauses(str(key), value, subject, here, report))
    return All(children)


def _trees(word: str, value: Any, subject: Subject, path: Path, report: Report) -> list[Node]:
    if not isinstance(value, (list, tuple)) or not value:
        report(path, Code.BAD_CLAUSE, f"{word!r} takes a list of one or more mappings of fields to clauses")
        return []
    return [_filled(each, subject, (*path, index), report) for index, each in enumerate(value)]


def _filled(value: Any, subject: Subject, path: Path, report: Report) -> Node:
    if isinstance(value, Mapping) and not value:
        report(path, Code.BAD_CLAUSE, "an empty mapping holds always; name at least one field")
    tree = parse_tree(value, subject, path, report)
    return tree.children[0] if len(tree.children) == 1 else tree


def _clauses(key: str, value: Any, subject: Subject, path: Path, report: Report) -> list[Node]:
    try:
        about = field(subject, key)
    except UnknownFieldError as error:
        report(path, Code.UNKNOWN_FIELD, str(error))
        return []
    if not isinstance(value, Mapping):
        word = Operator.IN if isinstance(value, (list, tuple)) else Operator.EQUALS
        return _clause(about, word, value, path, report)
    if not value:
        report(path, Code.BAD_CLAUSE, f"{key!r} has no operator; write a value, or for example exists: true")
    found: list[Node] = []
    for word, expected in value.items():
        here = (*path, str(word))
        if word in _OPERATORS:
            found.extend(_clause(about, _OPERATORS[word], expected, here, report))
        else:
            hint = did_you_mean(str(word), _OPERATORS)
            report(here, Code.UNKNOWN_OPERATOR, f"unknown operator {str(word)!r} on {key!r}{hint}")
    return found


def _clause(about: Field, word: Operator, expected: Any, path: Path, report: Report) -> list[Node]:
    try:
        operand, test = compile_test(word, expected, about)
    except OperandError as error:
        report(path, Code.BAD_OPERAND, f"{about.path}: {error}")
        return []
    return [Clause(about, word, expected, operand, test)]
