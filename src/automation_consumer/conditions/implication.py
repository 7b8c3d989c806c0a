"""When one tree implies another. Says yes only when it is certain; no means "cannot be proved"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from automation_consumer.conditions.operators import AGES, EQUALITIES, NEGATIONS, Operator
from automation_consumer.conditions.tree import All, AnyOf, Clause, Node, Not

_LOWER = {Operator.GT, Operator.GTE}
_UPPER = {Operator.LT, Operator.LTE}
_STRICT = {Operator.GT, Operator.LT}

_SUBSTRINGS: dict[tuple[Operator, Operator], Callable[[str, str], bool]] = {
    (Operator.STARTS_WITH, Operator.STARTS_WITH): str.startswith,
    (Operator.ENDS_WITH, Operator.ENDS_WITH): str.endswith,
    (Operator.STARTS_WITH, Operator.CONTAINS): str.__contains__,
    (Operator.ENDS_WITH, Operator.CONTAINS): str.__contains__,
    (Operator.CONTAINS, Operator.CONTAINS): str.__contains__,
}


class Known:
    """Parts that all hold."""

    def __init__(self, parts: Sequence[Node]) -> None:
        self._keys = {part.key for part in parts}
        self._clauses: defaultdict[object, list[Clause]] = defaultdict(list)
        for part in parts:
            if isinstance(part, Clause):
                self._clauses[part.about].append(part)

    def implies(self, wanted: Node) -> bool:
        """Whether `wanted` holds on every subject on which all of these hold."""
        if wanted.key in self._keys:
            return True
        match wanted:
            case Clause():
                return any(_clause_implies(part, wanted) for part in self._clauses.get(wanted.about, ()))
            case All():
                return all(self.implies(child) for child in wanted.children)
            case AnyOf():
                return any(self.implies(child) for child in wanted.children)
            case Not():
                return False


def _clause_implies(known: Clause, wanted: Clause) -> bool:
    """Both are about the same field."""
    if wanted.operator is Operator.EXISTS:
        return wanted.operand is True and known.operator not in NEGATIONS | {Operator.EXISTS}
    if known.operator in EQUALITIES:
        return _equality_implies(known, wanted)
    if known.operator in NEGATIONS:
        return wanted.operator in NEGATIONS and _values(wanted) <= _values(known)
    if known.operator in _LOWER | _UPPER:
        return _bound_implies(known, wanted)
    if known.operator in AGES:
        return known.operator is wanted.operator and _farther(known, wanted)
    between = _SUBSTRINGS.get((known.operator, wanted.operator))
    return between is not None and between(str(known.operand), str(wanted.operand))


def _equality_implies(known: Clause, wanted: Clause) -> bool:
    """Every text that the known clause allows must pass the wanted one, at any moment. In a list another element
    may be the one that a negation forbids."""
    if wanted.operator in AGES or (wanted.operator in NEGATIONS and known.field.may_be_list):
        return False
    return all(wanted.passes(value, 0.0) for value in _values(known))


def _bound_implies(known: Clause, wanted: Clause) -> bool:
    same_side = (known.operator in _LOWER and wanted.operator in _LOWER) or (
        known.operator in _UPPER and wanted.operator in _UPPER
    )
    if not same_side:
        return False
    if known.operand == wanted.operand:
        return known.operator in _STRICT or wanted.operator not in _STRICT
    return (_quantity(known) > _quantity(wanted)) is (known.operator in _LOWER)


def _farther(known: Clause, wanted: Clause) -> bool:
    if known.operator is Operator.OLDER_THAN:
        return _quantity(known) >= _quantity(wanted)
    return _quantity(known) <= _quantity(wanted)


def _values(clause: Clause) -> frozenset[str]:
    return clause.operand if isinstance(clause.operand, frozenset) else frozenset()


def _quantity(clause: Clause) -> float:
    return clause.operand if isinstance(clause.operand, (int, float)) else 0.0
