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
        """Take up all there is, before anything comes from Kafka: later messages of these incidents then come after them."""
        count = 0
        while found := await self._take_up(PAGE):
            count += found
        return count

    async def watch(self) -> None:
        """Look for more, for as long as this process runs and has room."""
        while self._journal.shared:
            await self._clock.sleep(LOOK_EVERY_S)
            # A few also without room: what is in hand may be waiting for just these.
            room = max(FEW, self._max_in_hand - self._flow.in_hand)
            if self._journal.available:
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
