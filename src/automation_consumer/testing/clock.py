"""Time that stands still until the test moves it."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

SETTLE_ROUNDS = 50  # rounds of the event loop that let woken tasks come to rest


class FakeClock:
    """A `Clock`. With `auto=True` a sleep moves the time itself, at once: for tests of one thing at a time."""

    def __init__(self, now: float = 1_800_000_000.0, *, auto: bool = False) -> None:
        self._now = now
        self._jumped_s = 0.0
        self._auto = auto
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self.slept: list[float] = []
        """Every sleep that was asked for, in seconds."""

    def now(self) -> float:
        return self._now + self._jumped_s

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._auto:
            self._now += max(0.0, seconds)
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), future))
        await future

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator does; no time passes."""
        self._jumped_s += seconds

    async def advance(self, seconds: float) -> None:
        """Move the time; who is due wakes up in order, and what follows from it happens before this returns."""
        end = self._now + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not future.done():
                future.set_result(None)
            await self.settle()
        self._now = end

    async def settle(self) -> None:
        """Let everything that can go on without time go on."""
        for _ in range(SETTLE_ROUNDS):
            await asyncio.sleep(0)

    @property
    def sleepers(self) -> int:
        """How many wait for the time to move."""
        return sum(not future.done() for _, _, future in self._sleepers)
