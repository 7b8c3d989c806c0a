"""Time, as the one thing that tests move. Nothing else in the package reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Protocol

LAST_S: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp() - 1.0
"""The last second that is shown: the end of the year 9998."""


class Clock(Protocol):
    """What the code may ask of time."""

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""

    def monotonic(self) -> float:
        """Seconds that never go back; for durations."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop. Never blocks a thread."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def boottime() -> float:
    """Seconds that never go back, are not set by anybody, and pass while the machine sleeps; for leases."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def iso(epoch_s: float) -> str:
    """An instant as ISO 8601 in UTC with milliseconds, as logs and JSON outputs show it.

    What is before the year 1970 or after 9998 is shown as the nearest of them: who prints a row must not fail for it.
    """
    within = min(LAST_S, max(0.0, epoch_s))  # in this order `nan` becomes 0, too
    return datetime.fromtimestamp(within, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
