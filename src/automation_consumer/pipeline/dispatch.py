"""Slots and threads: how many runs act at the same moment, and where blocking calls go."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar, cast

from automation_consumer.pipeline.fairness import NOBODY, FairSlots, Turn
from automation_consumer.plugin.action import MaybeAwaitable

T = TypeVar("T")
Before = Callable[[], None]


class Dispatcher:
    """`slots` is taken before the work and given back before any waiting; a plain method runs in the bounded pool.

    The pool's own queue is first come, first served, so it is kept empty: a call waits for a free thread in a fair line.
    """

    def __init__(self, max_concurrent_runs: int, worker_threads: int) -> None:
        self.slots = FairSlots(max_concurrent_runs)
        self._threads = FairSlots(worker_threads)
        self._pool = ThreadPoolExecutor(worker_threads, thread_name_prefix="worker")

    async def invoke(
        self,
        method: Callable[..., MaybeAwaitable[T]],
        *args: Any,
        turn: Turn = NOBODY,
        before: Before | None = None,
    ) -> T:
        """Call an action's method where it belongs: a coroutine on the loop, a plain one in the pool, in its turn.

        `before` is called immediately before the method, in the same thread, with no waiting in between; what it raises
        refuses the call. A call that is cancelled before that has not begun.
        """
        if inspect.iscoroutinefunction(method):
            if before is not None:
                before()
            return cast(T, await method(*args))
        result = await self._in_pool(method, args, turn, before)
        return await result if inspect.isawaitable(result) else result

    async def _in_pool(
        self,
        method: Callable[..., MaybeAwaitable[T]],
        args: tuple[Any, ...],
        turn: Turn,
        before: Before | None,
    ) -> MaybeAwaitable[T]:
        await self._threads.acquire(turn)
        try:
            call = self._pool.submit(_checked, method, args, before)
        except RuntimeError:  # closed
            self._threads.release()
            raise
        try:
            return await asyncio.wrap_future(call)
        finally:
            self._free_after(call)

    def _free_after(self, call: Future[Any]) -> None:
        """A blocking call that was cancelled goes on: its thread is free when it has returned, not before."""
        if call.done():
            self._threads.release()
            return
        loop = asyncio.get_running_loop()

        def returned(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop has ended before the call: nobody waits any more
                loop.call_soon_threadsafe(self._threads.release)

        call.add_done_callback(returned)

    def close(self, *, wait: bool) -> None:
        """Take no more calls. `wait`: block until those running have returned."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


def _checked(method: Callable[..., T], args: tuple[Any, ...], before: Before | None) -> T:
    if before is not None:
        before()
    return method(*args)
