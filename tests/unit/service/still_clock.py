"""Time that a test of threads sets; nothing sleeps by it."""

from __future__ import annotations


class StillClock:
    """A `Clock` that shows what it is told."""

    def __init__(self, time_s: float = 1_000.0) -> None:
        self.time_s = time_s

    def now(self) -> float:
        return self.time_s

    def monotonic(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.time_s += seconds
