"""The attempts of one run: act, or start a remote job and follow it; look up before anything is repeated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeVar

import msgspec
from tenacity import AsyncRetrying, RetryCallState, wait_exponential_jitter

from automation_consumer.config.settings import OnUnknown
from automation_consumer.errors import (
    AutomationError,
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    StoreError,
    TemporaryError,
    ThrottledError,
)
from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.pipeline.boundary import (
    DeniedError,
    LapsedError,
    WithdrawnError,
    denial,
    guarded,
    last_result,
    may_pass,
)
from automation_consumer.pipeline.engine import Engine
from automation_consumer.pipeline.fairness import Turn
from automation_consumer.pipeline.lookup import look_up
from automation_consumer.pipeline.pauses import ParkedError, WokenError
from automation_consumer.pipeline.plan import Plan
from automation_consumer.pipeline.within import within
from automation_consumer.plugin.action import RemoteJob, ShortAction
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Params

T = TypeVar("T")

RETRY_DELAY_MAX_S = 3600.0
PARK_AFTER_S = 10.0  # a message whose run waits longer than this for a retry is left to the journal
LAPSE_PAUSE_S = 0.5


class Ending(NamedTuple):
    """How a run ends: its final status, and what is written with it."""

    status: RunStatus
    outcome: Outcome


class Attempts:
    """Takes one run from where it stands in the journal to its end. One instance per run, on the event loop."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        params: Params,
        run: Run,
        context: Callable[[Run], ActionContext],
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._action = plan.prepared.action
        self._options = plan.prepared.spec.common
        self._params = params
        self.run = run  # as far as it has come
        self._began = engine.clock.monotonic()
        self._context = context
        self._turn = Turn(plan.incident.severity, plan.condition, plan.target)
        self._has_slot = bool(plan.ancestors)  # the action that runs this one holds it for both
        self.written = False  # whether the journal has this run
        self.denied: Verdict | None = None  # what a safety check said while it waited
        self._resumed: Run | None = None  # what the journal had, until the first attempt has taken it up
        self._handle: Handle | None = None  # the remote job that runs now
        self._withdrawn: str | None = None  # why it is to end at once
        self._last_attempt: str | None = None  # why no further attempt is wanted
        self._term = -1  # of the lease, when the intent was written
        self._then = Then.FAIL  # what its withdrawal means for what would come after it
        self._waits_for_retry = False

    async def start(self) -> Ending:
        """A new run. ParkedError when the process stops while it waits; FencedError when another process has it."""
        return await self._to_the_end()

    async def resume(self, existing: Run) -> Ending:
        """A run that an earlier process left open. Errors as `start`."""
        self.run = existing
        self._began -= max(0.0, self._engine.clock.now() - existing.created_at)
        self.written = True
        self._resumed = existing
        return await self._to_the_end()

    def withdraw(self, reason: str, *, running: bool = True, then: Then = Then.FAIL) -> bool:
        """End it: cancel its remote job, run no further attempt. `running` False: the attempt that runs may finish.

        `then`: what that means for what would come after it.
        False when a short action acts at this moment, which cannot be stopped.
        """
        self._last_attempt = reason
        self._then = then
        if not (running or self._waits_for_retry):
            return False
        self._withdrawn = reason
        self._engine.pauses.wake(self.run.id)
        return self._handle is not None or self._waits_for_retry or not self.written

    async def _to_the_end(self) -> Ending:
        try:
            outcome = await self._with_retries()
        except ParkedError:
            raise
        except WithdrawnError as error:
            return Ending(RunStatus.CANCELLED, Outcome.failure(str(error), data={"then": str(self._then)}))
        except DeniedError as error:
            self.denied = error.verdict
            return Ending(RunStatus.SKIPPED, Outcome.failure(str(error), data=denial(error.verdict)))
        except (EffectUnknownError, LookupImpossibleError) as error:
            return Ending(RunStatus.UNKNOWN, Outcome.failure(str(error)))
        except StoreError:
            raise  # without the journal nothing may go on
        except AutomationError as error:
            return Ending(RunStatus.FAILED, Outcome.failure(str(error)))
        return Ending(RunStatus.SUCCEEDED if outcome.ok else RunStatus.FAILED, outcome)

    def _heed(self) -> None:
        if self._withdrawn is not None:
            raise WithdrawnError(self._withdrawn)

    async def _sleep(self, seconds: float) -> None:
        """Wait. WithdrawnError as soon as the run is withdrawn."""
        self._heed()
        if seconds <= 0:
            return
        try:
            await self._engine.pauses.sleep(seconds, self.run.id)
        except WokenError:
            self._heed()

    # --- retries -------------------------------------------------------------------------------------------------

    async def _with_retries(self) -> Outcome:
        if self._resumed is not None and self._resumed.status is RunStatus.RETRYING:
            left_s = (self.run.next_at or 0.0) - self._engine.clock.now()
            await self._retry_pause(min(left_s, RETRY_DELAY_MAX_S))  # more would be a clock that jumped
            self.run = msgspec.structs.replace(self.run, attempt=self.run.attempt + 1)
            self._resumed = None
        if self._options.retry_count == 0:
            return await self._once()
        retrying = AsyncRetrying(
            retry=may_pass,
            stop=lambda _: self.run.attempt > self._options.retry_count or self._left_s() == 0.0,
            wait=self._delay_s,
            before_sleep=self._note_retry,
            sleep=self._retry_pause,
            retry_error_callback=last_result,
        )
        outcome: Outcome = await retrying(self._once)
        return outcome

    def _delay_s(self, state: RetryCallState) -> float:
        """Exponential with jitter; the system's own Retry-After wins when it is longer."""
        first = self._options.retry_delay
        state.attempt_number = self.run.attempt  # counted over restarts
        own: float = wait_exponential_jitter(multiplier=first, max=RETRY_DELAY_MAX_S, jitter=first / 4)(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, TemporaryError) else None
        return min(max(own, asked or 0.0), RETRY_DELAY_MAX_S)

    async def _note_retry(self, state: RetryCallState) -> None:
        """The attempt failed and another one follows: in the journal, so that a restart goes on from here."""
        assert state.outcome is not None
        error = state.outcome.exception()
        reason = str(error) if error else state.outcome.result().message
        next_at = self._engine.clock.now() + state.upcoming_sleep
        await self._engine.recorder.retrying(self.run, f"attempt {self.run.attempt}: {reason}", next_at)
        self._engine.metrics.retries.labels(self._action.type).inc()
        self._handle = None
        self.run = msgspec.structs.replace(self.run, attempt=self.run.attempt + 1)

    async def _retry_pause(self, seconds: float) -> None:
        """Wait for the next try: it holds no slot, no thread, and if it is long not the partition either."""
        self._withdrawn = self._withdrawn or self._last_attempt
        if seconds >= PARK_AFTER_S:
            self._plan.progress.park()
        self._waits_for_retry = True
        try:
            await self._sleep(seconds)
        finally:
            self._waits_for_retry = False

    # --- one attempt ---------------------------------------------------------------------------------------------

    async def _once(self) -> Outcome:
        if isinstance(self._action, RemoteJob):
            handle, left_s = await self._job(self._action)
            return await self._follow(self._action, handle, left_s)
        assert isinstance(self._action, ShortAction)
        return await self._act(self._action)

    async def _act(self, action: ShortAction[Any]) -> Outcome:
        cut_off, self._resumed = self._resumed, None
        repeatable = action.repeatable(self._params) or self._options.on_unknown is OnUnknown.RERUN
        if cut_off is not None and not repeatable:
            raise EffectUnknownError("the process was stopped while the action ran; it may have taken effect")
        try:
            outcome: Outcome = await self._acting(action.run, self._params)
            return outcome
        except EffectUnknownError as error:
            if repeatable:
                raise TemporaryError(str(error)) from error
            raise

    async def _acting(self, method: Callable[..., Any], *args: Any) -> Any:
        """Take a slot, write the intent, act. A call that our own rate limit holds back waits its turn without a slot."""
        while True:
            async with nullcontext() if self._has_slot else self._engine.dispatcher.slots.turn(self._turn):
                self._engine.pauses.refuse_when_parking()
                self._heed()
                self._ask_again()
                self._term = self._engine.journal.term
                await self._write_intent()
                try:
                    with self._engine.metrics.slots_in_use.track_inprogress():
                        return await self._call(method, *args, before=self._may_act)
                except LapsedError:
                    pause_s = LAPSE_PAUSE_S
                except ThrottledError as error:
                    left_s, pause_s = self._left_s(), error.retry_after_s or 1.0
                    if left_s is not None and left_s < pause_s:
                        raise
            await self._sleep(pause_s)

    def _ask_again(self) -> None:
        question = self._plan.question(self._engine.journal.last_success, self._engine.clock.now())
        verdict = self._engine.gate.last_look(question)
        if verdict.decision is not Decision.ALLOW:
            raise DeniedError(verdict)

    def _may_act(self) -> None:
        """The last look before a call that changes something, where it is made.

        A lease that ran out since the intent was written is not enough, even if it has come back: the run may be another's.
        """
        journal = self._engine.journal
        if not journal.may_act() or journal.term != self._term:
            raise LapsedError("the lease on the journal has run out")
        self._ask_again()

    def _may_cancel(self) -> None:
        """Cancelling does no harm twice, and a pause does not keep anything running."""
        if not self._engine.journal.may_act():
            raise LapsedError("the lease on the journal has run out")

    async def _write_intent(self) -> None:
        if self.written:
            await self._engine.recorder.running(self.run)
            return
        begun = msgspec.structs.replace(self.run, created_at=self._engine.clock.now())
        self._began = self._engine.clock.monotonic()
        self.run = await self._engine.recorder.begin(begun, self._plan.message)
        self.written = True

    # --- remote jobs ---------------------------------------------------------------------------------------------

    async def _job(self, action: RemoteJob[Any]) -> tuple[Handle, float | None]:
        """The job of this attempt (the one the journal knows, the one the marker finds, or a new one), and its seconds left."""
        left_open, self._resumed = self._resumed, None
        if left_open is not None and left_open.status is RunStatus.WAITING and left_open.handle is not None:
            self._handle = msgspec.convert(left_open.handle, Handle)
            return self._handle, self._left_of_job_s(action, left_open.deadline_at)
        handle, detail = None, "adopted"
        if left_open is not None:
            handle = await self._look_up(action)
        if handle is None:
            handle, detail = await self._submit(action)
        self._handle = handle
        left_s = self._left_of_job_s(action, None)
        deadline_at = None if left_s is None else self._engine.clock.now() + left_s
        await self._engine.recorder.waiting(self.run, handle, deadline_at, f"{detail} job {handle.id}")
        return handle, left_s

    async def _submit(self, action: RemoteJob[Any]) -> tuple[Handle, str]:
        try:
            return await self._acting(action.submit, self._params), "started"
        except EffectUnknownError as error:
            found = await self._look_up(action)
            if found is None:
                raise TemporaryError(f"{error}; looked up: nothing was started") from error
            return found, "adopted"

    async def _look_up(self, action: RemoteJob[Any]) -> Handle | None:
        settle_s = action.lookup_settle_s(self._context(self.run), self._params)
        return await look_up(
            lambda: self._call(action.find, self._params), settle_s, self._engine.clock, self._engine.pauses
        )

    async def _follow(self, action: RemoteJob[Any], handle: Handle, left_s: float | None) -> Outcome:
        """Poll until the job has ended or its time is up. Waiting holds no slot and no thread."""
        clock, interval_s = self._engine.clock, action.poll_interval_s(self._params)
        deadline = None if left_s is None else clock.monotonic() + left_s
        due = clock.monotonic() + interval_s
        while True:
            due = due if deadline is None else min(due, deadline)
            try:
                await self._sleep(due - clock.monotonic())
            except WithdrawnError as error:
                return await self._give_up(action, handle, str(error))
            self._engine.metrics.poll_late_seconds.observe(max(0.0, clock.monotonic() - due))
            outcome, pause_s = await self._poll(action, handle)
            if outcome is not None:
                return outcome if outcome.url else msgspec.structs.replace(outcome, url=handle.url)
            if deadline is not None and clock.monotonic() >= deadline:
                return await self._give_up(action, handle, f"timed out after {self._age_s:.0f} s")
            due = max(due + max(interval_s, pause_s), clock.monotonic())

    async def _poll(self, action: RemoteJob[Any], handle: Handle) -> tuple[Outcome | None, float]:
        try:
            return await self._call(action.poll, handle, self._params), 0.0
        except TemporaryError as error:  # the job goes on; ask again
            return None, max(1.0, error.retry_after_s or 0.0)
        except PermanentError as error:
            raise EffectUnknownError(f"job {handle.id} runs, but cannot be followed: {error}") from error

    async def _give_up(self, action: RemoteJob[Any], handle: Handle, why: str) -> Outcome:
        """Cancel the job. WithdrawnError when that was wanted, else the failure."""
        try:
            while True:
                try:
                    await self._call(action.cancel, handle, self._params, before=self._may_cancel)
                    break
                except LapsedError:
                    await self._engine.pauses.sleep(LAPSE_PAUSE_S)
        except (TemporaryError, PermanentError) as error:
            raise EffectUnknownError(f"{why}, and job {handle.id} could not be cancelled: {error}") from error
        text = f"{why}; job {handle.id} was cancelled"
        if self._withdrawn is not None:
            raise WithdrawnError(text)
        return Outcome.failure(text, url=handle.url)

    def _left_of_job_s(self, action: RemoteJob[Any], deadline_at: float | None) -> float | None:
        """Seconds that the job may still take: of its own limit, of `timeout`, and of what the journal says."""
        limits = [action.job_timeout_s(self._params), self._left_s()]
        if deadline_at is not None:
            limits.append(max(0.0, deadline_at - self._engine.clock.now()))
        return min((each for each in limits if each is not None), default=None)

    # --- the boundary to the action ------------------------------------------------------------------------------

    @property
    def _age_s(self) -> float:
        """Seconds since the run was written. Only a restart looks at the wall clock, which may jump."""
        return self._engine.clock.monotonic() - self._began

    def _left_s(self) -> float | None:
        """Seconds left of the common `timeout`; None without one."""
        return None if self._options.timeout is None else max(0.0, self._options.timeout - self._age_s)

    async def _call(
        self, method: Callable[..., Any], *args: Any, before: Callable[[], None] | None = None
    ) -> Any:
        """Call one of the action's methods. Only errors of our tree come out."""
        left_s = None if isinstance(self._action, RemoteJob) else self._left_s()
        ctx = self._context(self.run)
        begun = False

        def begin() -> None:
            nonlocal begun
            if before is not None:
                before()
            begun = True

        call = self._engine.dispatcher.invoke(method, ctx, *args, turn=self._turn, before=begin)
        try:
            return await guarded(within(self._engine.clock, left_s, call), self._action, ctx)
        except EffectUnknownError as error:
            if begun:
                raise
            raise TemporaryError("no thread was free in time; nothing was called") from error
