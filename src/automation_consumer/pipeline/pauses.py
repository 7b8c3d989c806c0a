"""Waiting inside a run: a stop ends it, and news can wake it."""

from __future__ import annotations

import asyncio

from automation_consumer.clock import Clock
from automation_consumer.errors import AutomationError


class ParkedError(AutomationError):
    """The process is stopping while this run waits; it stays open in the journal and is resumed after the restart."""


class WokenError(AutomationError):
    """Somebody has news for a run that waits."""


class Pauses:
    """Waiting that a stop can end, and news for the one that waits. A run that waits holds nothing but this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[asyncio.Task[object], str] = {}
        self._woken: set[asyncio.Task[object]] = set()
        self._parking = False

    async def sleep(self, seconds: float, run_id: str = "") -> None:
        """Wait. ParkedError when the process begins to stop, WokenError when `wake` is called for this run."""
        self.refuse_when_parking()
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = run_id
        try:
            await self._clock.sleep(seconds)
        except asyncio.CancelledError:
            woken = task in self._woken
            if not (self._parking or woken):
                raise
            task.uncancel()
            if woken:
                raise WokenError("there is news for this run") from None
            raise ParkedError("the process is stopping") from None
        finally:
            del self._waiting[task]
            self._woken.discard(task)

    def wake(self, run_id: str) -> None:
        """End the run's waiting, if it waits."""
        for task, waiting in self._waiting.items():
            if waiting == run_id and task not in self._woken:
                self._woken.add(task)
                task.cancel()

    def refuse_when_parking(self) -> None:
        """ParkedError when the process is stopping: nothing new may act."""
        if self._parking:
            raise ParkedError("the process is stopping")

    def park(self) -> None:
        """End all waiting, now and from now on."""
        self._parking = True
        for task in self._waiting:
            if task not in self._woken:
                task.cancel()
