"""Named locks: runs with the same lock go one at a time, in this process in the order in which they came.

A lock is in the journal, too: it holds across processes, and over a restart it stays with the run whose job goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from automation_consumer.errors import FencedError
from automation_consumer.pipeline.pauses import ParkedError, Pauses
from automation_consumer.store.journal import Journal

ASK_AGAIN_S = 1.0


class Locks:
    """One asyncio lock per name, forgotten when nobody holds or wants it, and the lock of that name in the journal."""

    def __init__(self, journal: Journal, pauses: Pauses) -> None:
        self._journal = journal
        self._pauses = pauses
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def hold(self, name: str | None, run_id: str) -> AsyncIterator[None]:
        """Hold the lock for a run; None holds nothing. ParkedError when the process stops while it waits."""
        if name is None:
            yield
            return
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._users[name] = self._users.get(name, 0) + 1
        try:
            while True:
                async with lock:
                    if await self._journal.lock(name, run_id) is None:
                        async with self._given_back(name, run_id):
                            yield
                        return
                # Not while holding ours: the run that has it in the journal may be about to be taken up here.
                await self._pauses.sleep(ASK_AGAIN_S, run_id)
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._locks[name]

    @asynccontextmanager
    async def _given_back(self, name: str, run_id: str) -> AsyncIterator[None]:
        try:
            yield
        except (ParkedError, FencedError, asyncio.CancelledError):
            raise  # the run stays open, and its lock stays with it
        except BaseException:
            await self._journal.unlock(name, run_id)
            raise
        await self._journal.unlock(name, run_id)
