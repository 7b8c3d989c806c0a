"""Finds the conditions that can never match, because an earlier one takes everything that they would.

Only what is certain is found: every part of the earlier condition must follow from a part of the later one. Each
condition is filed under its rarest part, and a later one looks only where a part of its own could imply that one,
so that ten thousand conditions are not compared with each other.

The parts of `match` and of `alerts` are told apart by their fields' subject, so an earlier tree on alerts follows only
from a later one, which is sure of an alert that satisfies it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice

from automation_consumer.conditions.condition_set import CompiledCondition
from automation_consumer.conditions.implication import Known
from automation_consumer.conditions.operators import EQUALITIES, Operator
from automation_consumer.conditions.patterns import PatternSet
from automation_consumer.conditions.requirements import search_pattern
from automation_consumer.conditions.tree import AnyOf, Clause, Node, required

_TRIES = 100  # of the conditions filed in one place, so many are compared

_TEXTUAL = frozenset({Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.CONTAINS})


def find_shadows(conditions: Sequence[CompiledCondition]) -> list[tuple[int, int]]:
    """Pairs (later, earlier) of orders: the later condition never matches. The first earlier one found is named."""
    parts = [[*required(each.match), *required(each.alerts)] for each in conditions]
    takers = [order for order, each in enumerate(conditions) if each.enabled and not each.continues]
    files = _Files(takers, parts)
    pairs = []
    for late, each in enumerate(conditions):
        if each.enabled:
            known = Known(parts[late])
            for early in files.before(late, parts[late]):
                if all(known.implies(part) for part in parts[early]):
                    pairs.append((late, early))
                    break
    return pairs


class _Files:
    """Where earlier conditions are looked for."""

    def __init__(self, takers: Sequence[int], parts: Sequence[Sequence[Node]]) -> None:
        self._always = [order for order in takers if not parts[order]]
        self._same: defaultdict[Hashable, list[int]] = defaultdict(list)
        self._equal: defaultdict[Hashable, list[int]] = defaultdict(list)
        self._other: defaultdict[Hashable, list[int]] = defaultdict(list)
        patterns: defaultdict[Hashable, list[tuple[str, int]]] = defaultdict(list)
        counts = Counter(name for order in takers for part in parts[order] for name in _names(part))
        for order in takers:
            if parts[order]:
                part = min(parts[order], key=lambda each: max(counts[name] for name in _names(each)))
                self._file(order, part, patterns)
        self._patterns = {
            about: (PatternSet([pattern for pattern, _ in found]), [order for _, order in found])
            for about, found in patterns.items()
        }

    def _file(self, order: int, part: Node, patterns: dict[Hashable, list[tuple[str, int]]]) -> None:
        """File a condition where a part that implies this one will look. Nothing but itself implies a `not`."""
        self._same[part.key].append(order)
        if isinstance(part, AnyOf):
            for child in part.children:  # one of them, implied, is enough
                for below in islice(required(child), 1):
                    self._file(order, below, patterns)
        elif isinstance(part, Clause):
            self._file_clause(order, part, patterns)

    def _file_clause(
        self, order: int, clause: Clause, patterns: dict[Hashable, list[tuple[str, int]]]
    ) -> None:
        pattern = search_pattern(clause)
        if clause.operator in EQUALITIES:
            for name in _names(clause):
                self._equal[name].append(order)
        elif pattern is not None:
            patterns[clause.about].append((pattern, order))
        else:
            self._other[clause.about].append(order)

    def before(self, order: int, parts: Sequence[Node]) -> list[int]:
        """The filed conditions before `order` that may cover it, ascending."""
        return sorted({early for place in self._places(parts) for early in place[:_TRIES] if early < order})

    def _places(self, parts: Sequence[Node]) -> Iterator[Sequence[int]]:
        yield self._always
        for part in parts:
            yield self._same.get(part.key, ())
            if isinstance(part, Clause):
                yield self._other.get(part.about, ())
                yield from self._by_text(part)

    def _by_text(self, clause: Clause) -> Iterator[Sequence[int]]:
        """The conditions filed under a value or a pattern that a text of this clause satisfies."""
        if clause.operator in EQUALITIES and isinstance(clause.operand, frozenset):
            sample = min(clause.operand)
            yield self._equal.get((clause.about, sample), ())
        elif clause.operator in _TEXTUAL:
            sample = str(clause.operand)
        else:
            return
        found = self._patterns.get(clause.about)
        if found is not None:
            patterns, orders = found
            yield sorted({orders[at] for at in patterns.match(sample)})


def _names(part: Node) -> list[Hashable]:
    """What a part is counted by: an equality by each of its values, anything else by itself."""
    if isinstance(part, Clause) and part.operator in EQUALITIES and isinstance(part.operand, frozenset):
        return [(part.about, value) for value in part.operand]
    return [part.key]
