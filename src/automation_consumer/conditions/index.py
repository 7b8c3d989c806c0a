"""Which conditions can match an incident at all, in a handful of dictionary lookups.

The index is a tree of tables. A table looks one field up (or asks one set of patterns) and leads to the conditions
that require what was found; a large branch is divided by a further field. So a field that is dear to read (tags,
alerts) is only read when the cheap ones have left many conditions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from automation_consumer.conditions.fields import Subject, field
from automation_consumer.conditions.patterns import PatternSet
from automation_consumer.conditions.requirements import Kind, Lookup, Requirements
from automation_consumer.conditions.values import elements, text
from automation_consumer.model.incident import Incident

_SMALL = 8  # so few conditions are tried one by one
_WORTH = 0.4  # a table must spare this share of the conditions that it covers
_COPIES = 4  # below the first table a condition may stand in so many branches of a table, on average
_PREFIX_LENGTHS = 16  # more lengths of prefixes are cut down to so many
_COST = {Kind.EQUAL: 1, Kind.PREFIX: 3, Kind.SEARCH: 12, Kind.TAG: 16}

Keys = Callable[[Any], Iterable[Hashable]]
"""What a subject has that a table may know."""


class Branch:
    """Conditions that are possible here, and tables that may lead to more."""

    __slots__ = ("_orders", "_tables")

    def __init__(self, orders: Sequence[int], tables: Sequence[Table]) -> None:
        self._orders = tuple(orders)
        self._tables = tuple(tables)

    def visit(self, incident: Incident, hits: list[tuple[int, ...]]) -> None:
        if self._orders:
            hits.append(self._orders)
        for table in self._tables:
            table.visit(incident, hits)


class Table:
    """One lookup in an incident or in its alerts."""

    __slots__ = ("_branches", "_keys", "_of_alerts")

    def __init__(self, keys: Keys, of_alerts: bool, branches: Mapping[Hashable, Branch]) -> None:
        self._keys = keys
        self._of_alerts = of_alerts
        self._branches = branches

    def visit(self, incident: Incident, hits: list[tuple[int, ...]]) -> None:
        known = self._branches
        if not self._of_alerts:
            for key in self._keys(incident):
                if key in known:
                    known[key].visit(incident, hits)
            return
        for key in {key for alert in incident.alerts for key in self._keys(alert)}:
            if key in known:
                known[key].visit(incident, hits)


class Index:
    """Finds the conditions that an incident may match. Each is known by its order, and by what it requires."""

    def __init__(self, conditions: Iterable[tuple[int, Requirements]]) -> None:
        self._root = _branch(list(conditions), frozenset())

    def candidates(self, incident: Incident) -> Sequence[int]:
        """The orders of the conditions that may match, ascending. All others cannot."""
        hits: list[tuple[int, ...]] = []
        self._root.visit(incident, hits)
        if len(hits) > 1:
            return sorted(set(chain.from_iterable(hits)))
        return hits[0] if hits else ()


_Conditions = list[tuple[int, Requirements]]


def _branch(conditions: _Conditions, used: frozenset[Lookup]) -> Branch:
    tables: list[Table] = []
    while len(conditions) > _SMALL and (lookup := _best(conditions, used)) is not None:
        covered = [each for each in conditions if lookup in each[1]]
        conditions = [each for each in conditions if lookup not in each[1]]
        tables.append(_table(lookup, covered, used | {lookup}))
    return Branch([order for order, _ in conditions], tables)


def _best(conditions: _Conditions, used: frozenset[Lookup]) -> Lookup | None:
    """The lookup that spares most conditions for its cost; None when none is worth it."""
    covered: defaultdict[Lookup, int] = defaultdict(int)
    entries: defaultdict[Lookup, int] = defaultdict(int)
    values: defaultdict[Lookup, set[Hashable]] = defaultdict(set)
    for _, required in conditions:
        for lookup, wanted in required.items():
            covered[lookup] += 1
            entries[lookup] += len(wanted)
            values[lookup] |= wanted
    best, best_score = None, 0.0
    for lookup, count in covered.items():
        spared = count - entries[lookup] / (len(values[lookup]) + 1)
        too_many = bool(used) and entries[lookup] > _COPIES * count
        if lookup in used or too_many or count <= _SMALL or spared < _WORTH * count:
            continue
        score = spared / _cost(lookup)
        if score > best_score:
            best, best_score = lookup, score
    return best


def _cost(lookup: Lookup) -> int:
    subject, kind, path = lookup
    return _COST[kind] + (
        field(subject, path).cost if kind is not Kind.TAG else 20 * (subject is Subject.ALERT)
    )


def _table(lookup: Lookup, conditions: _Conditions, used: frozenset[Lookup]) -> Table:
    subject, kind, path = lookup
    known = sorted({value for _, required in conditions for value in required[lookup]}, key=str)
    keys, place = _lookups(subject, kind, path, known)
    parts: defaultdict[Hashable, _Conditions] = defaultdict(list)
    for each in conditions:
        for key in {place(value) for value in each[1][lookup]}:
            parts[key].append(each)
    branches = {key: _branch(part, used) for key, part in parts.items()}
    return Table(keys, subject is Subject.ALERT, branches)


def _lookups(
    subject: Subject, kind: Kind, path: str, known: list[Any]
) -> tuple[Keys, Callable[[Any], Hashable]]:
    """What the subject offers as keys, and under which key a required value stands."""
    if kind is Kind.TAG:
        return _tag_keys, lambda value: value
    read = field(subject, path).read
    if kind is Kind.PREFIX:
        lengths = _lengths(known)
        return _prefix_keys(read, lengths), lambda value: value[: max(n for n in lengths if n <= len(value))]
    if kind is Kind.SEARCH:
        return _search_keys(read, PatternSet(known)), {
            value: at for at, value in enumerate(known)
        }.__getitem__
    return _equal_keys(read), lambda value: value


def _lengths(prefixes: Iterable[str]) -> tuple[int, ...]:
    lengths = sorted({len(prefix) for prefix in prefixes})
    step = -(-len(lengths) // _PREFIX_LENGTHS)
    return tuple(lengths[::step])


def _equal_keys(read: Callable[[Any], Any]) -> Keys:
    def keys(subject: Any) -> Iterable[str]:
        value = read(subject)
        return (value,) if type(value) is str else [text(element) for element in elements(value)]

    return keys


def _prefix_keys(read: Callable[[Any], Any], lengths: tuple[int, ...]) -> Keys:
    def keys(subject: Any) -> Iterator[str]:
        for element in {text(element) for element in elements(read(subject))}:
            for length in lengths:
                if length > len(element):
                    break
                yield element[:length]

    return keys


def _search_keys(read: Callable[[Any], Any], patterns: PatternSet) -> Keys:
    def keys(subject: Any) -> set[int]:
        return {at for element in elements(read(subject)) for at in patterns.match(text(element))}

    return keys


def _tag_keys(subject: Any) -> Iterator[tuple[str, str]]:
    for name, value in subject.tags.items():
        for element in elements(value):
            yield name, text(element)
