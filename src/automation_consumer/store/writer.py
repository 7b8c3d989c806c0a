"""One thread that owns the writing connection: operations that wait at the same moment share one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from typing import Any, Final, NamedTuple, TypeVar

from automation_consumer.clock import Clock
from automation_consumer.errors import StoreError
from automation_consumer.logs import get_logger
from automation_consumer.store.database import AwayError, Database, Operation

_log = get_logger(__name__)

T = TypeVar("T")

_UNWRITABLE = (TypeError, ValueError, OverflowError)  # a value that no database and no JSON takes

BATCH: Final = 512  # operations in one transaction at most
FIRST_WAIT_S: Final = 0.05  # before a batch is tried again, doubled each time
LONGEST_WAIT_S: Final = 1.0


class _Item(NamedTuple):
    operation: Operation[Any]
    loop: asyncio.AbstractEventLoop | None = None
    future: asyncio.Future[Any] | None = None
    waiting: ThreadFuture[Any] | None = None  # of a thread, not of the loop


class GroupWriter:
    """Runs operations in the order in which they were given; each learns its result after the commit.

    While the database is away the batch is kept and tried again, and whoever waits goes on waiting.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_commit: Callable[[int, float], None] = lambda operations, seconds: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._number = 1  # of the next transaction
        self._computed: list[Any] | None = None  # the results of a batch whose COMMIT broke off
        self._away_since: float | None = None
        self._closed = False
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def available(self) -> bool:
        """Whether no batch is waiting for the database to come back."""
        return self._away_since is None

    async def do(self, operation: Operation[T]) -> T:
        """Run it in the next transaction. Its result, once that is on disk; StoreError when it never can be."""
        self._refuse_when_closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Item(operation, loop, future))
        return await future

    def ask(self, operation: Operation[T], limit_s: float) -> T:
        """The same for a thread. Blocks; TimeoutError after `limit_s` seconds (it is done nevertheless)."""
        self._refuse_when_closed()
        waiting: ThreadFuture[T] = ThreadFuture()
        self._queue.put(_Item(operation, waiting=waiting))
        return waiting.result(limit_s)

    def give(self, operation: Operation[Any]) -> None:
        """Run it some time; nobody waits."""
        if not self._closed:
            self._queue.put(_Item(operation))

    def close(self, limit_s: float) -> bool:
        """Finish what is queued, then end the thread. Blocks for `limit_s` at most; False when it was not enough."""
        self._closed = True
        self._queue.put(None)
        self._thread.join(limit_s)
        self._given_up.set()
        return not self._thread.is_alive()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreError("the journal is closed")

    def _work(self) -> None:
        last = False
        while not last and (item := self._queue.get()) is not None:
            batch = [item]
            while len(batch) < BATCH and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    batch.append(more)
            self._commit(batch)
        self._database.close()

    def _commit(self, batch: list[_Item]) -> None:
        started = self._clock.monotonic()
        try:
            results = self._until_it_is_back(batch)
        except (StoreError, *_UNWRITABLE) as error:
            if (
                len(batch) > 1 and not self._given_up.is_set()
            ):  # one bad operation must not fail its neighbours
                for item in batch:
                    self._commit([item])
                return
            if not isinstance(error, StoreError):
                error = StoreError(f"the journal cannot be written: {error}")
            results = [error] * len(batch)
            if any(item.future is None and item.waiting is None for item in batch):
                _log.error("%s", error, event="journal.write_failed")
        else:
            self._on_commit(len(batch), self._clock.monotonic() - started)
        _settle(batch, results)

    def _until_it_is_back(self, batch: list[_Item]) -> list[Any]:
        """The batch's results, however often it takes. StoreError when it can't succeed, or at the end of the process."""
        wait_s = FIRST_WAIT_S
        tries = 0
        while True:
            try:
                if tries:
                    self._database.reconnect()
                results = self._transaction(batch)
            except AwayError as error:
                if (
                    tries
                ):  # two processes in each other's way, or a broken connection, are mended by the second try
                    self._note_away(error)
                if self._given_up.wait(wait_s):
                    raise StoreError(f"the journal was closed before this was written: {error}") from error
                tries += 1
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            else:
                self._note_back()
                return results

    def _transaction(self, batch: list[_Item]) -> list[Any]:
        database = self._database
        try:
            database.begin(self._number)
            if self._computed is not None and not database.flush():
                results = self._computed  # it had arrived: only the answer to the COMMIT was lost
                database.rollback()
            else:
                results = self._written(batch)
        except (StoreError, *_UNWRITABLE) as error:
            database.rollback()
            if not isinstance(error, AwayError):
                self._computed = None
            raise
        self._computed = None
        self._number += 1
        return results

    def _written(self, batch: list[_Item]) -> list[Any]:
        database = self._database
        readings = [item.operation(database) for item in batch]
        if not database.flush():
            raise StoreError(
                "the journal's transactions are out of step: does another process use our number?"
            )
        results = [read() for read in readings]
        self._computed = results
        database.commit()
        return results

    def _note_away(self, error: AwayError) -> None:
        if self._away_since is None:
            self._away_since = self._clock.monotonic()
            _log.error("the journal has to wait: %s", error, event="journal.away")

    def _note_back(self) -> None:
        if self._away_since is not None:
            seconds = self._clock.monotonic() - self._away_since
            self._away_since = None
            _log.warning("the journal goes on after %.1f s; nothing is lost", seconds, event="journal.back")


def _settle(batch: list[_Item], results: list[Any]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for item, result in zip(batch, results, strict=True):
        if item.loop is not None and item.future is not None:
            by_loop.setdefault(item.loop, []).append((item.future, result))
        elif item.waiting is not None and isinstance(result, StoreError):
            item.waiting.set_exception(result)
        elif item.waiting is not None:
            item.waiting.set_result(result)
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
