"""Old runs are deleted soon after the start and then daily."""

from __future__ import annotations

import asyncio

import pytest

from automation_consumer.errors import StoreError
from automation_consumer.service.retention import EVERY_S, FIRST_S, prune_daily
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock

MONTH_S = 30 * 86_400.0


class Journal(MemoryJournal):
    """Remembers what was asked of it; refuses once when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []
        self.refuses = False

    async def prune(self, before: float) -> int:
        self.asked.append(before)
        if self.refuses:
            self.refuses = False
            raise StoreError("the database is read-only")
        return await super().prune(before)


@pytest.fixture
async def pruned():
    journal, clock = Journal(), FakeClock()
    task = asyncio.create_task(prune_daily(journal, clock, lambda: MONTH_S))
    yield journal, clock
    assert not task.done()
    task.cancel()


async def test_it_is_done_soon_after_the_start_and_then_daily(pruned):
    """Red when the first time is a day after the start: a pod that is restarted daily would never do it."""
    journal, clock = pruned
    began = clock.now()
    await clock.advance(FIRST_S - 1)
    assert journal.asked == []
    await clock.advance(1 + 2 * EVERY_S)
    assert journal.asked == [began + FIRST_S + day * EVERY_S - MONTH_S for day in range(3)]


async def test_a_refusal_is_logged_and_tried_again_the_next_day(pruned, caplog):
    """Red when the StoreError is let out: the service would end because of housekeeping."""
    journal, clock = pruned
    journal.refuses = True
    await clock.advance(FIRST_S + EVERY_S)
    assert len(journal.asked) == 2
    assert "read-only" in caplog.text
