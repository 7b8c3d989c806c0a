"""Slots that are given out fairly: no severity, condition or host can starve the others."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Turn(NamedTuple):
    """For whom a slot is asked: what the order of those who wait is made of."""

    severity: str | None = None
    condition: str = ""
    target: str = ""


NOBODY = Turn()  # the turn of a call that belongs to no run


class Severity(IntEnum):
    """The lanes, most urgent first."""

    CRITICAL = 0  # somebody is woken up
    HIGH = 1  # major, error: today
    WARNING = 2  # minor, medium
    REST = 3  # low, information, without a severity or with an unknown one


WEIGHTS = (8, 4, 2, 1)
"""Slots per round and lane. A round serves the most urgent lane first, and the least urgent once at least."""

_NAMES = {
    Severity.CRITICAL: "critical crit fatal emergency emerg disaster blocker highest urgent 1 p0 p1 s0 s1 sev0 sev1",
    Severity.HIGH: "high major error err severe important 2 p2 s2 sev2",
    Severity.WARNING: "warning warn minor medium moderate average 3 p3 s3 sev3",
}
_BY_NAME = {name: severity for severity, names in _NAMES.items() for name in names.split()}
_LONGEST_NAME = 40


def severity_of(name: str | None) -> Severity:
    """The lane of a severity as any system writes it: `Critical`, `SEV-2`, `P1`, `3 - Moderate`."""
    if name is None or len(name) > _LONGEST_NAME:  # a longer text is none, and has no place in the cache
        return Severity.REST
    return _lane_of(name)


@lru_cache(256)
def _lane_of(name: str) -> Severity:
    words = re.findall("[a-z0-9]+", name.lower())
    found = (_BY_NAME.get(word, Severity.REST) for word in ("".join(words), *words))
    return min(found, default=Severity.REST)


_Waiters = OrderedDict[T, None]
_Lane = OrderedDict[str, OrderedDict[str, _Waiters[T]]]


class Line(Generic[T]):
    """Those who wait, and who of them is next. Every call takes constant time.

    Severities share by `WEIGHTS`; within one, conditions take turns; within one, its targets; within one, the oldest is
    first. So nobody waits for more than a bounded number of others, however many come later:
    (n / weight + 1) rounds, where n = those up to it at its target x targets of its condition x conditions of its lane.
    """

    def __init__(self) -> None:
        self._lanes: tuple[_Lane[T], ...] = tuple(OrderedDict() for _ in Severity)
        self._left = list(WEIGHTS)  # of this round

    def put(self, turn: Turn, waiter: T) -> None:
        """Wait at the end of one's own queue. `waiter` is hashable and stands there once."""
        lane = self._lanes[severity_of(turn.severity)]
        targets = lane.setdefault(turn.condition, OrderedDict())
        targets.setdefault(turn.target, OrderedDict())[waiter] = None

    def pop(self) -> T | None:
        """The next one, who waits no longer; None when nobody waits."""
        if not self:
            return None
        severity = self._next_severity()
        self._left[severity] -= 1
        lane = self._lanes[severity]
        condition, targets = next(iter(lane.items()))
        target, waiters = next(iter(targets.items()))
        waiter, _ = waiters.popitem(last=False)
        lane.move_to_end(condition)
        targets.move_to_end(target)
        self._tidy(lane, condition, target)
        return waiter

    def remove(self, turn: Turn, waiter: T) -> None:
        """No longer wait. Nothing happens if it does not wait any more."""
        lane = self._lanes[severity_of(turn.severity)]
        targets = lane.get(turn.condition)
        waiters = targets.get(turn.target) if targets else None
        if not waiters or waiter not in waiters:
            return
        del waiters[waiter]
        self._tidy(lane, turn.condition, turn.target)

    def __bool__(self) -> bool:
        return any(self._lanes)

    def _next_severity(self) -> Severity:
        waiting = [severity for severity in Severity if self._lanes[severity]]
        for severity in waiting:
            if self._left[severity]:
                return severity
        self._left = list(WEIGHTS)  # the round is over: nobody who waits has anything left of it
        return waiting[0]

    @staticmethod
    def _tidy(lane: _Lane[T], condition: str, target: str) -> None:
        """Forget queues that are empty: names come from incidents, and there is no end of them."""
        targets = lane[condition]
        if not targets[target]:
            del targets[target]
        if not targets:
            del lane[condition]


class FairSlots:
    """A semaphore whose next slot goes to whoever is next in `Line`. For one event loop; not thread-safe.

    A slot that becomes free is handed over at once, so nobody who comes later can take it. Who is cancelled while
    waiting, or after it was given a slot that it has not seen yet, leaves none behind.
    """

    def __init__(self, count: int) -> None:
        self._free = count  # more than 0 only while nobody waits
        self._line: Line[asyncio.Future[None]] = Line()

    def turn(self, order: Turn = NOBODY) -> AbstractAsyncContextManager[None]:
        """`async with slots.turn(order)`: holds a slot inside the block; waits for it before."""
        return _Held(self, order)

    async def acquire(self, order: Turn = NOBODY) -> None:
        """Wait for a slot. Who has it calls `release` once."""
        if self._free:
            self._free -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        self._line.put(order, mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._line.remove(order, mine)
            else:
                self.release()  # it was ours already
            raise

    def release(self) -> None:
        """Give the slot to whoever is next."""
        while (waiter := self._line.pop()) is not None:
            if not waiter.done():  # done: cancelled just now, and not yet gone from the line
                waiter.set_result(None)
                return
        self._free += 1


class _Held(AbstractAsyncContextManager[None]):
    """One turn of `FairSlots`. `acquire` is handed out as it is: taking a free slot costs what a semaphore costs."""

    __slots__ = ("_order", "_slots")

    def __init__(self, slots: FairSlots, order: Turn) -> None:
        self._slots = slots
        self._order = order

    def __aenter__(self) -> Awaitable[None]:  # type: ignore[override]
        return self._slots.acquire(self._order)

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()
