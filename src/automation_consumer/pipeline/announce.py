"""The outcome topic: what was decided and how it ended, told to other programs at least once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from automation_consumer.clock import Clock
from automation_consumer.errors import ActionError
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.logs import get_logger
from automation_consumer.metrics import Metrics
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.pipeline.outcome_events import (
    Event,
    Mask,
    key,
    of_condition,
    of_poison,
    of_run,
)
from automation_consumer.pipeline.pauses import ParkedError
from automation_consumer.pipeline.work import Work
from automation_consumer.store.journal import Journal

BATCH: Final = 500  # events; no more of them are in memory at a time, however many wait in the journal
SWEEP_S: Final = 3.0  # how often the journal is asked for endings of processes that are gone
RETRY_S: Final = 1.0  # after a failed delivery; doubles up to the next one
MAX_RETRY_S: Final = 15.0
STOPPING_RETRY_S: Final = 0.2
_log = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An event that is not in the journal: somebody waits for its delivery. `ended(False)`: it was given up."""

    event: Event
    ended: Callable[[bool], None]


class Announcer:
    """Sends events. One task sends them all, so that those of one incident come in the order of what happened.

    Ended runs are read from the journal, which remembers what is not delivered: nothing is lost by a crash or while
    the broker is away, and nothing piles up in memory. What is not in the journal (a condition, poison) has somebody
    who waits for the delivery and only then finishes the message, so that a crash brings it again.

    Without a topic or a producer nothing is sent and nobody waits. Made on the event loop.
    """

    def __init__(
        self,
        topic: str | None,
        producer: KafkaProducer | None,
        journal: Journal,
        clock: Clock,
        metrics: Metrics,
        mask: Mask = str,
        *,
        sweep_s: float = SWEEP_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._topic = topic
        self._producer = producer
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._mask = mask
        self._sweep_s = sweep_s
        self._retry_s = retry_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._news = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether events are sent at all; then the journal is to be opened with `announces=True`."""
        return self._topic is not None and self._producer is not None

    # --- start and stop ----------------------------------------------------------------------------------------------

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Begin to send. `failed` is called when the task ends by an error (the journal's, or a mistake of ours)."""
        if not self.active:
            return

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._give_up()
                failed(error)

        self._task = self._loop.create_task(self._work(), name="announcer")
        self._task.add_done_callback(ended)

    async def stop(self, limit_s: float) -> bool:
        """Send what is left, for at most `limit_s` seconds; True when all of it is delivered.

        To be called after the flow has stopped, before the producer and the journal are closed. What is left then is
        sent after the next start.
        """
        task = self._task
        if task is None:
            return True
        self._stop.set()
        self._news.set()
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            _log.warning(
                "not all outcomes were delivered within %g s; they are sent after the next start",
                limit_s,
                event="outcome.left",
            )
            task.cancel()
            await asyncio.wait({task})
        self._give_up()
        return not task.cancelled() and task.exception() is None

    def _give_up(self) -> None:
        self._stop.set()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.ended(False)

    # --- what is told ------------------------------------------------------------------------------------------------

    def ended(self, run: Run) -> None:
        """A run has ended, and the journal has it: its event is due. On the event loop; never waits."""
        self._news.set()

    async def condition(self, work: Work, condition: str, result: ConditionResult) -> None:
        """Tell how a condition went; returns when it is delivered, after all runs that ended before.

        ParkedError when the process stops meanwhile: the message is not finished and comes again.
        """
        if not self.active:
            return
        delivered: asyncio.Future[bool] = self._loop.create_future()

        def ended(ok: bool) -> None:
            if not delivered.done():  # else who waited was cancelled
                delivered.set_result(ok)

        event = of_condition(work, condition, result, self._clock.now(), self._mask)
        self._add(_Waiting(event, ended))
        if not await delivered:
            raise ParkedError("the process is stopping before this outcome is delivered")

    def poison(self, message: Message, reason: str, detail: str, then: Callable[[], None]) -> None:
        """Tell that a message is poison; `then` is called when that is delivered, on the event loop.

        Any thread; never waits. Without a topic `then` is called at once. It is not called when the process stops
        before: the message is not finished and comes again.
        """
        if not self.active:
            then()
            return

        def ended(ok: bool) -> None:
            if ok:
                then()

        event = of_poison(message, reason, detail, self._clock.now(), self._mask)
        with suppress(RuntimeError):  # the event loop has ended: the message comes again
            self._loop.call_soon_threadsafe(self._add, _Waiting(event, ended))

    def _add(self, waiting: _Waiting) -> None:
        if self._task is not None and self._task.done():
            waiting.ended(False)
            return
        self._waiting.append(waiting)
        self._news.set()

    # --- the task ----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        delay_s = self._retry_s
        while True:
            self._news.clear()
            last = self._stop.is_set()  # before the round: what ended until then is part of it
            error = await self._round()
            if error is None:
                if delay_s != self._retry_s:
                    _log.info("outcomes are delivered again", event="outcome.recovered")
                delay_s = self._retry_s
                if last and not self._waiting:
                    return
                if not self._stop.is_set():
                    await _first(self._news, self._sweep_s)
                continue
            _log.error(
                "outcomes cannot be delivered to topic %r: %s; none is lost, they are tried again in %g s",
                self._topic,
                error,
                delay_s,
                event="outcome.failed",
            )
            if self._stop.is_set():
                await self._clock.sleep(STOPPING_RETRY_S)
            else:
                await _first(self._stop, delay_s)
            delay_s = min(delay_s * 2, MAX_RETRY_S)

    async def _round(self) -> ActionError | None:
        """Everything that is due now. The first error when something was not delivered: it stays due."""
        waiting = list(self._waiting)  # the runs that these follow have ended, so they are sent first
        while True:
            runs = await self._journal.unannounced(BATCH)
            errors = await self._deliver([of_run(run, self._mask) for run in runs])
            done = [run.id for run, error in zip(runs, errors, strict=True) if error is None]
            if done:
                await self._journal.announced(done)
            if len(done) < len(runs):
                return _any(errors)
            if len(runs) < BATCH:
                break
        for begin in range(0, len(waiting), BATCH):
            batch = waiting[begin : begin + BATCH]
            errors = await self._deliver([each.event for each in batch])
            for each, error in zip(batch, errors, strict=True):
                if error is None:
                    self._waiting.remove(each)
                    each.ended(True)
            if _any(errors) is not None:
                return _any(errors)
        return None

    async def _deliver(self, events: Sequence[Event]) -> list[ActionError | None]:
        """Hand all of them to the producer and wait for its reports, which it gives in any case."""
        assert self._topic is not None
        assert self._producer is not None
        reports = _Reports(len(events), self._loop)
        for number, event in enumerate(events):
            try:
                self._producer.enqueue(
                    self._topic, msgspec.json.encode(event), key(event), (), reports.of(number)
                )
            except ActionError as error:
                reports.note(number, error)
        errors = await reports.wait()
        failed = sum(error is not None for error in errors)
        self._metrics.outcome_events.inc(len(errors) - failed)
        self._metrics.outcome_failures.inc(failed)
        return errors


class _Reports:
    """The producer's reports on one batch, noted in its thread and waited for on the event loop."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._errors: list[ActionError | None] = [None] * count
        self._left = count
        self._all = asyncio.Event()
        if not count:
            self._all.set()

    def of(self, number: int) -> Callable[[ActionError | None], None]:
        return lambda error: self.note(number, error)

    def note(self, number: int, error: ActionError | None) -> None:
        with self._lock:
            self._errors[number] = error
            self._left -= 1
            last = self._left == 0
        if last:
            with suppress(RuntimeError):  # the event loop has ended: nobody waits any more
                self._loop.call_soon_threadsafe(self._all.set)

    async def wait(self) -> list[ActionError | None]:
        await self._all.wait()
        return self._errors


def _any(errors: Sequence[ActionError | None]) -> ActionError | None:
    return next((error for error in errors if error is not None), None)


async def _first(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, or for that long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
