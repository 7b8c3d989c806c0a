"""A compiled tree of clauses. The same nodes decide (`holds`) and are explained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from automation_consumer.conditions.fields import Field
from automation_consumer.conditions.operators import Operand, Operator, Test


class Clause:
    """One operator on one field. `expected` is the operand as it was written, `operand` in canonical form."""

    __slots__ = ("_read", "_test", "expected", "field", "key", "operand", "operator")

    def __init__(self, field: Field, operator: Operator, expected: Any, operand: Operand, test: Test) -> None:
        self.field = field
        self.operator = operator
        self.expected = expected
        self.operand = operand
        self.key: tuple[object, ...] = (field.subject, field.path, operator, operand)
        """Equal keys mean the same."""
        self._read = field.read
        self._test = test

    def holds(self, subject: Any, now: float) -> bool:
        return self._test(self._read(subject), now)

    def passes(self, value: Any, now: float) -> bool:
        """Whether the clause would hold if the field had this value."""
        return self._test(value, now)

    @property
    def about(self) -> tuple[object, ...]:
        """Equal for clauses about the same field."""
        return self.key[:2]

    @property
    def cost(self) -> int:
        """What deciding it costs, relative to a comparison of an incident's plain field."""
        return self.field.cost + (10 if self.operator in (Operator.REGEX, Operator.GLOB) else 0)


class _Group:
    """Nodes under one word. `children` are in the order of the YAML, `_cheapest` is how they are tried."""

    __slots__ = ("_cheapest", "children", "key")

    def __init__(self, children: Sequence[Node]) -> None:
        self.children = tuple(children)
        keys = frozenset(child.key for child in children)
        self.key: tuple[object, ...] = next(iter(keys)) if len(keys) == 1 else (type(self).__name__, keys)
        self._cheapest = tuple(sorted(children, key=lambda child: child.cost))

    @property
    def cost(self) -> int:
        return sum(child.cost for child in self.children)


class All(_Group):
    """Holds if every child does; so it holds without children."""

    __slots__ = ()

    def holds(self, subject: Any, now: float) -> bool:
        for child in self._cheapest:  # noqa: SIM110 (a loop is twice as fast as all() here, and this is the hot path)
            if not child.holds(subject, now):
                return False
        return True


class AnyOf(_Group):
    """Holds if at least one child does."""

    __slots__ = ()

    def holds(self, subject: Any, now: float) -> bool:
        return any(child.holds(subject, now) for child in self._cheapest)


class Not:
    """Holds if its child does not."""

    __slots__ = ("child", "key")

    def __init__(self, child: Node) -> None:
        self.child = child
        self.key: tuple[object, ...] = ("Not", child.key)

    def holds(self, subject: Any, now: float) -> bool:
        return not self.child.holds(subject, now)

    @property
    def cost(self) -> int:
        return self.child.cost


Node: TypeAlias = Clause | All | AnyOf | Not


def required(node: Node) -> Iterator[Clause | AnyOf | Not]:
    """The parts of a tree that must all hold: its clauses, also those of nested `all`."""
    if isinstance(node, All):
        for child in node.children:
            yield from required(child)
    else:
        yield node
