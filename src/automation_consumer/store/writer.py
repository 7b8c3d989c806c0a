"""One thread that owns the writing connection: operations that wait at the same moment share one transaction."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from automation_consumer.clock import Clock
from automation_consumer.errors import StoreError

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], Any]

_UNWRITABLE = (TypeError, ValueError, OverflowError)  # a value that SQLite or JSON does not take

BATCH = 512  # operations in one transaction at most


class _Item(NamedTuple):
    operation: Operation
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class GroupWriter:
    """Runs operations in the order in which they were given; each learns its result after the commit."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        on_commit: Callable[[int, float], None] = lambda operations, seconds: None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def do(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run it in the next transaction. Its result, once that is on disk; StoreError when it is not."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Item(operation, loop, future))
        return await future

    def close(self) -> None:
        """Finish what is queued, then end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            batch = [item]
            last = False
            while len(batch) < BATCH:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Item]) -> None:
        started = self._clock.monotonic()
        try:
            results = self._transaction(batch)
        except (sqlite3.Error, *_UNWRITABLE) as error:
            if len(batch) > 1:  # one bad operation must not fail its neighbours
                for item in batch:
                    self._commit([item])
                return
            _settle(batch, [StoreError(f"the journal cannot be written: {error}")])
            return
        self._on_commit(len(batch), self._clock.monotonic() - started)
        _settle(batch, results)

    def _transaction(self, batch: list[_Item]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [item.operation(self._connection) for item in batch]
            self._connection.execute("COMMIT")
        except (sqlite3.Error, *_UNWRITABLE):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results


def _settle(batch: list[_Item], results: list[Any]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for item, result in zip(batch, results, strict=True):
        by_loop.setdefault(item.loop, []).append((item.future, result))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, pairs)
        except RuntimeError:  # the loop is closed: nobody waits any more, and what was written stays written
            continue


def _resolve(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, StoreError):
            future.set_exception(result)
        else:
            future.set_result(result)
