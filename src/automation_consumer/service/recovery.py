"""What other processes left behind: taken over from the journal, without waiting for Kafka to bring it again."""

from __future__ import annotations

from automation_consumer.clock import Clock
from automation_consumer.logs import get_logger
from automation_consumer.pipeline.flow import Flow
from automation_consumer.store.journal import Journal

PAGE = 100
FEW = 10
LOOK_EVERY_S = 1.0
_log = get_logger(__name__)


class Recovery:
    """Takes up messages that are not finished and whose process is gone: at the start, and with a shared store always."""

    def __init__(self, journal: Journal, flow: Flow, clock: Clock, max_in_hand: int) -> None:
        self._journal = journal
        self._flow = flow
        self._clock = clock
        self._max_in_hand = max_in_hand

    async def at_start(self) -> int:
        """Take up what is there, before anything comes from Kafka; how many.

        All of it if nobody else can, else as much as there is room for: the rest is for others, or for `watch`.
        """
        count = 0
        while not self._journal.shared or self._flow.in_hand < self._max_in_hand:
            found = await self._take_up(PAGE)
            if not found:
                break
            count += found
        return count

    async def watch(self) -> None:
        """Look for more, for as long as this process runs and has room."""
        while self._journal.shared and not self._flow.stopping:
            await self._clock.sleep(LOOK_EVERY_S)
            # A few also without room: what is in hand may be waiting for just these.
            room = max(FEW, self._max_in_hand - self._flow.in_hand)
            if self._journal.available and not self._flow.stopping:
                found = await self._take_up(min(PAGE, room))
                if found:
                    _log.info(
                        "%d messages taken over from processes that are gone",
                        found,
                        event="recovery.taken_over",
                    )

    async def _take_up(self, limit: int) -> int:
        messages = await self._journal.orphans(limit)
        for message in messages:
            self._flow.take_up(message)
        return len(messages)
