"""Order where it matters: the messages of one incident go one after the other, different incidents side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

W = TypeVar("W")


class Lanes(Generic[W]):
    """A lane per key; a lane is one task while it has work, and nothing otherwise. On the event loop only."""

    def __init__(
        self, work: Callable[[str, W], Coroutine[Any, Any, None]], failed: Callable[[BaseException], None]
    ) -> None:
        self._work = work
        self._failed = failed
        self._queues: dict[str, deque[W]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, key: str, item: W) -> None:
        """Handle the item after the earlier ones of its key."""
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(item)
            return
        self._queues[key] = deque((item,))
        task = asyncio.get_running_loop().create_task(self._drive(key))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def busy(self, key: str) -> bool:
        """Whether an item put now would have to wait."""
        return key in self._queues

    def waiting(self, key: str) -> tuple[W, ...]:
        """What stands behind the item in work."""
        return tuple(self._queues.get(key, ()))

    async def _drive(self, key: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                await self._work(key, queue.popleft())
        finally:
            del self._queues[key]

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._failed(error)

    def __len__(self) -> int:
        return len(self._tasks)

    async def idle(self) -> None:
        """Wait until no lane has work."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cancel(self) -> None:
        """End every lane where it stands."""
        for task in self._tasks:
            task.cancel()
