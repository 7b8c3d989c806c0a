"""Named locks: runs with the same lock go one at a time, in this process in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from automation_consumer.pipeline.pauses import Pauses
from automation_consumer.store.journal import Journal

ASK_AGAIN_S = 1.0


class Locks:
    """One asyncio lock per name, forgotten when nobody holds or wants it; with a shared store, a lock there as well."""

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
            async with lock, self._stored(name, run_id):
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._locks[name]

    @asynccontextmanager
    async def _stored(self, name: str, run_id: str) -> AsyncIterator[None]:
        if not self._journal.shared:
            yield
            return
        while await self._journal.lock(name, run_id) is not None:
            await self._pauses.sleep(ASK_AGAIN_S, run_id)
        try:
            yield
        finally:
            await self._journal.unlock(name, run_id)
