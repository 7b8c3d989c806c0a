"""Messages that wait for long: the journal has all of them, so neither their partition nor the intake need wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from automation_consumer.pipeline.intake import Intake
from automation_consumer.pipeline.work import Taken
from automation_consumer.store.journal import Journal

WAITS_LONG_S = (
    10.0  # a message that stands longer than this behind others of its incident is left to the journal
)


class Parking:
    """At most `limit` messages at a time; the others keep their place in the intake. On the event loop."""

    def __init__(
        self, journal: Journal, intake: Intake, limit: int, failed: Callable[[BaseException], None]
    ) -> None:
        self._journal = journal
        self._intake = intake
        self._limit = limit
        self._failed = failed
        self._count = 0
        self._holding: set[asyncio.Task[None]] = set()

    def park(self, taken: Taken) -> None:
        """A run of it waits for long; it is in the journal with its message."""
        if not taken.parked and self._count < self._limit:
            taken.parked = True
            self._count += 1
            self._intake.park(taken)

    def came_parked(self, taken: Taken) -> None:
        """It came from the journal: Kafka does not wait for it."""
        taken.parked = True
        self._count += 1

    def left(self, taken: Taken) -> None:
        """It is no longer in hand."""
        self._count -= taken.parked

    def watch(self, taken: Taken) -> None:
        """It has to stand behind others of its incident. If that takes long, the journal is to have it."""
        if self._limit:
            asyncio.get_running_loop().call_later(WAITS_LONG_S, self._waits_long, taken)

    def _waits_long(self, taken: Taken) -> None:
        if taken.begun or taken.parked or self._count >= self._limit or not self._intake.is_current(taken):
            return
        taken.begun = True  # from here on it is handled here, whoever gets its partition
        task = asyncio.get_running_loop().create_task(self._hold(taken))
        self._holding.add(task)
        task.add_done_callback(self._held)

    async def _hold(self, taken: Taken) -> None:
        await self._journal.hold(taken.message, taken.incidents)
        if taken.left:
            self.park(taken)

    def _held(self, task: asyncio.Task[None]) -> None:
        self._holding.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)
