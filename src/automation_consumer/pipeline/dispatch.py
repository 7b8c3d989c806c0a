"""Slots and threads: how many runs act at the same moment, and where blocking calls go."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from automation_consumer.plugin.action import MaybeAwaitable

T = TypeVar("T")


class Dispatcher:
    """`slots` is taken before the work and given back before any waiting; a plain method runs in the bounded pool."""

    def __init__(self, max_concurrent_runs: int, worker_threads: int) -> None:
        self.slots = asyncio.Semaphore(max_concurrent_runs)
        self._pool = ThreadPoolExecutor(worker_threads, thread_name_prefix="worker")

    async def invoke(self, method: Callable[..., MaybeAwaitable[T]], *args: Any) -> T:
        """Call an action's method where it belongs: a coroutine on the loop, a plain one in the pool."""
        if inspect.iscoroutinefunction(method):
            return cast(T, await method(*args))
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._pool, method, *args)
        return await result if inspect.isawaitable(result) else result

    def close(self, *, wait: bool) -> None:
        """Take no more calls. `wait`: block until those running have returned."""
        self._pool.shutdown(wait=wait, cancel_futures=True)
