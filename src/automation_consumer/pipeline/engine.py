"""What every run of this process shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from automation_consumer.clock import Clock
from automation_consumer.errors import AutomationError
from automation_consumer.metrics import Metrics
from automation_consumer.pipeline.dispatch import Dispatcher
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.locks import Locks
from automation_consumer.pipeline.record import Recorder
from automation_consumer.pipeline.work import Tally
from automation_consumer.plugin.context import Clients


class ParkedError(AutomationError):
    """The process is stopping while this run waits; it stays open in the journal and is resumed after the restart."""


class Pauses:
    """Waiting that a stop can end: a run that waits for a job, a retry or a lock holds nothing but this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: set[asyncio.Task[object]] = set()
        self._parking = False

    async def sleep(self, seconds: float) -> None:
        """Wait. ParkedError when the process begins to stop."""
        self.refuse_when_parking()
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            await self._clock.sleep(seconds)
        except asyncio.CancelledError:
            if not self._parking:
                raise
            task.uncancel()
            raise ParkedError("the process is stopping") from None
        finally:
            self._waiting.discard(task)

    def refuse_when_parking(self) -> None:
        """ParkedError when the process is stopping: nothing new may act."""
        if self._parking:
            raise ParkedError("the process is stopping")

    def park(self) -> None:
        """End all waiting, now and from now on."""
        self._parking = True
        for task in self._waiting:
            task.cancel()


@dataclass(frozen=True)
class Engine:
    """The parts that runs use, made once by the composition root."""

    clock: Clock
    recorder: Recorder
    dispatcher: Dispatcher
    gate: Gate
    locks: Locks
    pauses: Pauses
    clients: Clients
    secret: Callable[[str], str]
    metrics: Metrics
    tally: Tally
    dry_run: bool = False
