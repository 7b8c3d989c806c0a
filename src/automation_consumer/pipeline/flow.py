"""The road from a message to its finished runs. This file alone knows the order of the steps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from automation_consumer.errors import AutomationError, StoreError
from automation_consumer.logs import bind, get_logger
from automation_consumer.metrics import MessageResult, Metrics
from automation_consumer.pipeline.decode import Poison
from automation_consumer.pipeline.engine import ParkedError, Pauses
from automation_consumer.pipeline.handle import ConditionResult, Handling
from automation_consumer.pipeline.intake import Intake, Source
from automation_consumer.pipeline.lanes import Lanes
from automation_consumer.pipeline.plan import History
from automation_consumer.pipeline.runner import Runner
from automation_consumer.pipeline.work import Taken, Tally, Work
from automation_consumer.store.journal import Journal

_log = get_logger(__name__)


class Flow:
    """Two threads: one polls, decodes, matches and commits (`Intake`); the event loop handles what matched.

    `failed` becomes set with the error when the road cannot go on (journal or broker gone): the process must end.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        bury: Callable[[Taken, Poison], None],
        runner: Runner,
        journal: Journal,
        pauses: Pauses,
        metrics: Metrics,
        tally: Tally,
        dry_run: bool,
        once: bool,
    ) -> None:
        self._intake = intake
        self._bury = bury
        self._runner = runner
        self._journal = journal
        self._pauses = pauses
        self._metrics = metrics
        self._tally = tally
        self._dry_run = dry_run
        self._once = once
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[BaseException] = self._loop.create_future()
        self._lanes: Lanes[Work] = Lanes(self._handle, self._lane_failed)
        self._thread: threading.Thread | None = None
        self.stopping = False
        self._end = threading.Event()
        self._ended = asyncio.Event()
        self.caught_up = asyncio.Event()
        """Set with `once`, when everything that was on the topics at the start is delivered and handled."""

    @property
    def in_hand(self) -> int:
        """Incidents that are being handled at this moment."""
        return len(self._lanes)

    # --- start and stop ------------------------------------------------------------------------------------------

    def start(self, connect: Callable[[], Source]) -> None:
        """Begin to poll. `connect` makes the source on the polling thread, which owns it from then on."""
        self._thread = threading.Thread(target=self._poll, args=(connect,), name="poll", daemon=True)
        self._thread.start()

    async def stop(self, drain_s: float) -> bool:
        """Stop in this order; True when nothing had to be cut off.

        Intake first, so that nothing new begins. Then waiting runs are parked: they are in the journal and hold
        nothing. Those that act may finish, for `drain_s`. Then offsets are committed and the group is left, so that
        what was not finished comes again.
        """
        self.stopping = True
        self._intake.stop_taking()
        self._pauses.park()
        try:
            async with asyncio.timeout(drain_s):
                await self._lanes.idle()
            clean = True
        except TimeoutError:
            self._lanes.cancel()
            clean = False
        self._end.set()
        if self._thread is not None:
            await self._ended.wait()
        return clean

    # --- the polling thread --------------------------------------------------------------------------------------

    def _poll(self, connect: Callable[[], Source]) -> None:
        try:
            source = connect()
            self._intake.attach(source)
            while not self._end.is_set():
                self._intake.round(source)
                if self._once and self._intake.caught_up(source):
                    self._call(self.caught_up.set)
                    break
            self._intake.finish_up(source)
        except AutomationError as error:
            self._call(self.fail, error)
        except Exception as error:  # noqa: BLE001 - the supervisor of the thread
            _log.exception("the polling thread has ended", event="intake.failed")
            self._call(self.fail, error)
        finally:
            self._call(self._ended.set)

    def _call(self, method: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(method, *args)
        except RuntimeError:
            _log.debug("the event loop has ended before the polling thread", event="intake.late")

    def hand_over(self, works: list[Work]) -> None:
        """From the polling thread to the event loop, once per batch."""
        self._call(self._accept, works)

    def finished(self, taken: Taken) -> None:
        """One of the message's incidents needs nothing more (its dead letter is delivered). Any thread."""
        self._call(self._done, taken)

    # --- the event loop ------------------------------------------------------------------------------------------

    def _accept(self, works: list[Work]) -> None:
        for work in works:
            self._lanes.put(work.incident.id, work)

    async def _handle(self, work: Work) -> None:
        incident = work.incident
        try:
            history = await self._history(incident.id, incident.active is not False)
            if work.matches:
                self._tally.matched += 1
                self._metrics.messages.labels(MessageResult.MATCHED).inc()
            for match in work.matches:
                handling = Handling(
                    self._runner, work.taken.message, work.ruleset, match, history, self._dry_run
                )
                self._note(match.condition, work, await handling.run())
            if not self._dry_run and history.left_open(work.taken.message):
                now = History(await self._journal.live_runs(incident.id))
                await self._runner.settle(now.left_open(work.taken.message))
        except (ParkedError, StoreError):
            raise  # the message is not finished: it comes again
        except Exception as error:  # noqa: BLE001 - the supervisor of tasks
            # A mistake of ours must not stop the road for everything behind this message.
            _log.exception("incident %s cannot be handled", incident.id, event="incident.bug")
            self._bury(work.taken, Poison("internal-error", f"{type(error).__name__}: {error}"))
            return
        self._done(work.taken)

    def _done(self, taken: Taken) -> None:
        taken.left -= 1
        if taken.left == 0:
            self._intake.finish(taken)

    async def _history(self, incident_id: str, active: bool) -> History:
        if not self._journal.knows(incident_id):
            return History()
        if not self._dry_run:
            await self._journal.note_activity(incident_id, active)
        return History(await self._journal.live_runs(incident_id))

    def _note(self, condition: str, work: Work, result: ConditionResult) -> None:
        self._tally.conditions[result] += 1
        log = bind(_log, incident=work.incident.id, condition=condition, message=work.taken.message.place)
        log.info("condition %s: %s", condition, result, event=f"condition.{result}")

    def _lane_failed(self, error: BaseException) -> None:
        if not isinstance(error, ParkedError):
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """The road cannot go on. On the event loop only."""
        if not self.failed.done():
            self.failed.set_result(error)
