"""The road from a message to its finished runs. This file alone knows the order of the steps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from automation_consumer.clock import Clock
from automation_consumer.errors import AutomationError, StoreError, UsageError
from automation_consumer.logs import bind, get_logger
from automation_consumer.metrics import MessageResult, Metrics
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.switch import Request
from automation_consumer.pipeline.decode import Poison, decode
from automation_consumer.pipeline.elsewhere import Elsewhere
from automation_consumer.pipeline.handle import ConditionResult, Handling
from automation_consumer.pipeline.in_hand import InHand
from automation_consumer.pipeline.intake import Intake
from automation_consumer.pipeline.lanes import Lanes
from automation_consumer.pipeline.parking import Parking
from automation_consumer.pipeline.pauses import ParkedError, Pauses
from automation_consumer.pipeline.plan import History, Progress
from automation_consumer.pipeline.retry import retried
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.runner import Runner
from automation_consumer.pipeline.source import Source
from automation_consumer.pipeline.work import NO_EPOCH, Retry, Taken, Tally, Work
from automation_consumer.sources.formats import Format
from automation_consumer.store.journal import Journal

WAITS_LONG_S = (
    10.0  # a message that stands longer than this behind others of its incident is left to the journal
)
ASK_AGAIN_S = 1.0  # how often it is asked whether another process still handles an earlier message
_log = get_logger(__name__)

LEAVE_S = 5.0  # for the last commit and for leaving the group; while no broker answers they would take a session timeout


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
        rules: Callable[[], Ruleset],
        form: Format,
        clock: Clock,
        told: Callable[[Work, str, ConditionResult], Awaitable[None]],
        max_parked: int,
        dry_run: bool,
        once: bool,
    ) -> None:
        self._rules = rules
        self._form = form
        self._clock = clock
        self._told = told
        self._parking = Parking(journal, intake, 0 if dry_run or once else max_parked, self.fail)
        self._handlings: dict[str, Handling] = {}
        self._recovered: dict[str, list[Work]] = {}
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._in_hand = InHand(self._finished)
        self._elsewhere = Elsewhere(journal, clock, dry_run=dry_run)
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
        self._lanes: Lanes[Work | None] = Lanes(self._handle_next, self._lane_failed)
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
            try:
                async with asyncio.timeout(LEAVE_S):
                    await self._ended.wait()
            except TimeoutError:
                _log.warning(
                    "no broker answered within %.0f s: the last offsets are not committed and the group is not left; "
                    "those messages come again, and the journal knows what was done for them",
                    LEAVE_S,
                    event="intake.left_behind",
                )
        return clean

    @property
    def polling(self) -> bool:
        """Whether the polling thread has not ended."""
        return self._thread is not None and self._thread.is_alive()

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
            if work.incident.active is False:
                self.resolved(work.incident.id)
            self._in_hand.add(work.taken)
            if self._lanes.busy(work.incident.id):
                self._parking.watch(work.taken)
            self._lanes.put(work.incident.id, work)

    def resolved(self, incident_id: str) -> None:
        """The incident is resolved: what is being handled for it does as its condition says."""
        if handling := self._handlings.get(incident_id):
            handling.resolved()

    def take_up(self, message: Message) -> None:
        """Handle a message that another process left behind, before what came after it for the same incident."""
        ruleset = self._rules()
        incidents = decode(self._form, message)
        if isinstance(incidents, Poison):  # it was none when it was taken: the format has changed since
            self._bury(Taken(message, NO_EPOCH, 1, recovered=True), incidents)
            return
        taken = Taken(message, NO_EPOCH, len(incidents), recovered=True)
        self._parking.came_parked(taken)
        self._in_hand.add(taken)
        for incident in incidents:
            matches = tuple(ruleset.conditions.match(incident, self._clock.now()))
            work = Work(taken, incident, matches, ruleset)
            self._recovered.setdefault(incident.id, []).append(work)
            self._lanes.put(
                incident.id, None
            )  # an idle lane begins; one in work looks at it before it goes on

    async def retry(self, request: Request) -> str:
        """Fulfil an operator's wish: a run again, and what would have followed it. The answer, when that is done.

        UsageError, with the reason, when it cannot be.
        """
        run = await self._journal.find(request.run_id)
        message = None if run is None else await self._journal.message_of(run)
        work = retried(run, message, request, self._rules(), self._form)
        answer: asyncio.Future[str] = self._loop.create_future()
        self._answers[request.id] = answer
        self._in_hand.add(work.taken)
        self._lanes.put(work.incident.id, work)
        try:
            return await answer
        finally:
            del self._answers[request.id]

    async def idle(self) -> None:
        """Wait until nothing is in hand."""
        await self._lanes.idle()

    async def _handle_next(self, key: str, work: Work | None) -> None:
        """What came from the journal first, then the work itself, unless another process has it now."""
        await self._handle_recovered(key)
        if work is None:
            return
        taken = work.taken
        if not (taken.begun or taken.recovered or self._intake.is_current(taken)):
            # Its partition is another process's, or it has come again: nothing of it has begun here.
            self._let_go(taken)
            return
        while await self._elsewhere.busy(work):
            if work.incident.active is False:
                await self._elsewhere.tell_resolved(work)
            await self._pauses.sleep(ASK_AGAIN_S)
            await self._handle_recovered(key)
        await self._handle(work)

    async def _handle_recovered(self, key: str) -> None:
        """The oldest first; more may come while one waits."""
        while recovered := self._recovered.get(key):
            work = min(recovered, key=_age)
            if await self._elsewhere.busy(work):
                await self._pauses.sleep(ASK_AGAIN_S)
                continue
            recovered.remove(work)
            if not recovered:
                del self._recovered[key]
            await self._handle(work)

    async def _handle(self, work: Work) -> None:
        incident = work.incident
        work.taken.begun = True
        try:
            history = await self._history(work)
            if work.retry is None:
                history = await self._settle_foreign(work, history)
            if work.matches and work.retry is None:
                self._tally.matched += 1
                self._metrics.messages.labels(MessageResult.MATCHED).inc()
            for match in work.matches:
                await self._handle_match(work, match, history)
            if not self._dry_run and work.retry is None and history.left_open(work.taken.message):
                now = History(await self._journal.live_runs(incident.id, work.taken.message))
                await self._runner.settle(now.left_open(work.taken.message))
        except (ParkedError, StoreError):
            raise  # the message is not finished: it comes again
        except Exception as error:  # noqa: BLE001 - the supervisor of tasks
            # A mistake of ours must not stop the road for everything behind this message.
            _log.exception("incident %s cannot be handled", incident.id, event="incident.bug")
            if work.retry is not None:
                self._answer(work.retry, UsageError(f"{type(error).__name__}: {error}; the log says more"))
                self._done(work.taken)
                return
            self._bury(work.taken, Poison("internal-error", f"{type(error).__name__}: {error}"))
            return
        finally:
            self._handlings.pop(incident.id, None)
        self._done(work.taken)

    async def _settle_foreign(self, work: Work, history: History) -> History:
        """End what the configuration no longer asks for first: it may hold a lock that what it does ask for needs."""
        left_open = [] if self._dry_run else history.left_open(work.taken.message)
        if not left_open:
            return history
        expected = set().union(*(self._handling(work, match, history).expected() for match in work.matches))
        foreign = [run for run in left_open if run.id not in expected and not run.nested]
        if not foreign:
            return history
        await self._runner.settle(foreign)
        return History(await self._journal.live_runs(work.incident.id, work.taken.message))

    def _handling(self, work: Work, match: Match, history: History) -> Handling:
        retry = work.retry
        return Handling(
            self._runner,
            work.taken.message,
            work.ruleset,
            match,
            history,
            Progress(lambda: self._parking.park(work.taken)),
            self._dry_run,
            retry=None if retry is None else retry.run,
            request="" if retry is None else retry.request.id,
        )

    async def _handle_match(self, work: Work, match: Match, history: History) -> None:
        retry = work.retry
        handling = self._handling(work, match, history)
        self._handlings[work.incident.id] = handling
        told = [work, *self._behind(work)] if retry is None else []
        if any(each is not None and each.incident.active is False for each in told):
            handling.resolved()
        try:
            result = await handling.run()
        except UsageError as error:
            if retry is None:
                raise
            self._answer(retry, error)
            return
        work.taken.keep = work.taken.keep or retry is not None or handling.worth_another_try
        self._note(match.condition, work, result)
        await self._told(work, match.condition, result)
        if retry is not None:
            ran = "; ".join(f"{each.run_id} {each.status}: {each.message}" for each in handling.results)
            self._answer(retry, f"{result}: {ran}")

    def _behind(self, work: Work) -> tuple[Work | None, ...]:
        return self._lanes.waiting(work.incident.id)

    def _answer(self, retry: Retry, text: str | UsageError) -> None:
        answer = self._answers.get(retry.request.id)
        if answer is None or answer.done():
            return
        if isinstance(text, UsageError):
            answer.set_exception(text)
        else:
            answer.set_result(text)

    def _done(self, taken: Taken) -> None:
        taken.left -= 1
        if taken.left > 0:
            return
        self._parking.left(taken)
        taken.done = True
        self._in_hand.leave(taken)
        self._intake.finish(taken)

    def _let_go(self, taken: Taken) -> None:
        """Nothing of it was done, so the journal is told nothing."""
        taken.left -= 1
        if taken.left == 0:
            self._in_hand.leave(taken)
            self._intake.finish(taken)

    def _finished(self, message: Message, keep: bool) -> None:
        if not self._dry_run:
            self._journal.finished(message, keep=keep)

    async def _history(self, work: Work) -> History:
        incident = work.incident
        if not self._journal.knows(incident.id):
            return History()
        if not self._dry_run:
            await self._journal.note_activity(incident.id, incident.active is not False)
        return History(await self._journal.live_runs(incident.id, work.taken.message))

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


def _age(work: Work) -> tuple[int, str, int, int]:
    message = work.taken.message
    return message.timestamp_ms, message.topic, message.partition, message.offset
