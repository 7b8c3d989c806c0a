"""A service that does nothing but look at its journal for pauses and requests, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from prometheus_client import CollectorRegistry

from automation_consumer.clock import SystemClock
from automation_consumer.errors import UsageError
from automation_consumer.metrics import Metrics
from automation_consumer.model.switch import Request
from automation_consumer.service.switchboard import Switchboard
from automation_consumer.store.open import open_journal


class RunningService(AbstractContextManager["RunningService"]):
    """`with RunningService(url) as service`: answers every request; refuses those about runs in `refuses`."""

    def __init__(self, url: str, refuses: tuple[str, ...] = ()) -> None:
        self._url = url
        self._refuses = refuses
        self.asked: list[Request] = []
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> RunningService:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *error: Any) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)
        self._loop.close()

    def ask(self, question: Callable[[Switchboard], Any]) -> Any:
        """What the switchboard answers, asked on its loop."""

        async def put() -> Any:
            return question(self._board)

        return asyncio.run_coroutine_threadsafe(put(), self._loop).result(20)

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        journal = open_journal(self._url, SystemClock(), name="test")
        self._board = Switchboard(
            journal, SystemClock(), Metrics(CollectorRegistry()), on_request=self._on_request
        )
        await self._board.start()
        self._ready.set()
        await self._end.wait()
        await self._board.stop()
        journal.close()

    async def _on_request(self, request: Request) -> str:
        self.asked.append(request)
        if request.run_id in self._refuses:
            raise UsageError("its message is no longer kept")
        return "it runs again as r2"
