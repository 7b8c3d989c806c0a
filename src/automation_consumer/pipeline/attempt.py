"""The attempts of one run: act, or start a remote job and follow it; look up before anything is repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeVar

import msgspec
from tenacity import AsyncRetrying, RetryCallState, wait_exponential_jitter

from automation_consumer.config.settings import CommonOptions, OnUnknown
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
from automation_consumer.pipeline.engine import Engine, ParkedError
from automation_consumer.pipeline.within import within
from automation_consumer.plugin.action import Action, Effect, RemoteJob, ShortAction
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Params

T = TypeVar("T")

RETRY_DELAY_MAX_S = 3600.0
LOOKUP_INTERVAL_S = 1.0
LOOKUP_GIVE_UP_S = 900.0  # a system that cannot be asked for this long: the effect stays unknown


class Ending(NamedTuple):
    """How a run ends: its final status, and what is written with it."""

    status: RunStatus
    outcome: Outcome


class Attempts:
    """Takes one run from where it stands in the journal to its end. One instance per run, on the event loop."""

    def __init__(
        self,
        engine: Engine,
        action: Action[Any],
        options: CommonOptions,
        params: Params,
        run: Run,
        context: Callable[[Run], ActionContext],
        *,
        has_slot: bool = False,
    ) -> None:
        self._engine = engine
        self._action = action
        self._options = options
        self._params = params
        self.run = run  # as far as it has come
        self._context = context
        self._has_slot = has_slot  # the action that runs this one holds it for both
        self._written = False  # whether the journal has this run
        self._resumed: Run | None = None  # what the journal had, until the first attempt has taken it up

    async def start(self) -> Ending:
        """A new run. ParkedError when the process stops while it waits."""
        return await self._to_the_end()

    async def resume(self, existing: Run) -> Ending:
        """A run that an earlier process left open, or that this one recovers."""
        self.run = existing
        self._written = True
        self._resumed = existing
        return await self._to_the_end()

    async def _to_the_end(self) -> Ending:
        try:
            outcome = await self._with_retries()
        except ParkedError:
            raise
        except (EffectUnknownError, LookupImpossibleError) as error:
            return Ending(RunStatus.UNKNOWN, Outcome.failure(str(error)))
        except StoreError:
            raise  # without the journal nothing may go on
        except AutomationError as error:
            return Ending(RunStatus.FAILED, Outcome.failure(str(error)))
        return Ending(RunStatus.SUCCEEDED if outcome.ok else RunStatus.FAILED, outcome)

    # --- retries -------------------------------------------------------------------------------------------------

    async def _with_retries(self) -> Outcome:
        if self._resumed is not None and self._resumed.status is RunStatus.RETRYING:
            await self._engine.pauses.sleep(max(0.0, (self.run.next_at or 0.0) - self._engine.clock.now()))
            self.run = msgspec.structs.replace(self.run, attempt=self.run.attempt + 1)
            self._resumed = None
        if self._options.retry_count == 0:
            return await self._once()
        retrying = AsyncRetrying(
            retry=_may_pass,
            stop=lambda _: self.run.attempt > self._options.retry_count or self._left_s() == 0.0,
            wait=self._delay_s,
            before_sleep=self._note_retry,
            sleep=self._engine.pauses.sleep,
            retry_error_callback=_last_result,
        )
        outcome: Outcome = await retrying(self._once)
        return outcome

    def _delay_s(self, state: RetryCallState) -> float:
        """Exponential with jitter; the system's own Retry-After wins when it is longer."""
        first = self._options.retry_delay
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
        self.run = msgspec.structs.replace(self.run, attempt=self.run.attempt + 1)

    # --- one attempt ---------------------------------------------------------------------------------------------

    async def _once(self) -> Outcome:
        if isinstance(self._action, RemoteJob):
            handle, deadline_at = await self._job(self._action)
            return await self._follow(self._action, handle, deadline_at)
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
            async with nullcontext() if self._has_slot else self._engine.dispatcher.slots:
                self._engine.pauses.refuse_when_parking()
                await self._write_intent()
                try:
                    with self._engine.metrics.slots_in_use.track_inprogress():
                        return await self._call(method, *args)
                except ThrottledError as error:
                    left_s, pause_s = self._left_s(), error.retry_after_s or 1.0
                    if left_s is not None and left_s < pause_s:
                        raise
            await self._engine.pauses.sleep(pause_s)

    async def _write_intent(self) -> None:
        if self._written:
            await self._engine.recorder.running(self.run)
            return
        self.run = msgspec.structs.replace(self.run, created_at=self._engine.clock.now())
        found = await self._engine.recorder.begin(self.run)
        if found is not self.run:
            raise StoreError(f"run {self.run.id} is in the journal already, as {found.status}")
        self._written = True

    # --- remote jobs ---------------------------------------------------------------------------------------------

    async def _job(self, action: RemoteJob[Any]) -> tuple[Handle, float | None]:
        """The job of this attempt: the one the journal knows, the one the marker finds, or a new one."""
        left_open, self._resumed = self._resumed, None
        if left_open is not None and left_open.status is RunStatus.WAITING and left_open.handle is not None:
            return msgspec.convert(left_open.handle, Handle), left_open.deadline_at
        handle, detail = None, "adopted"
        if left_open is not None:
            handle = await self._look_up(action, max(left_open.created_at, left_open.next_at or 0.0))
        if handle is None:
            handle, detail = await self._submit(action)
        deadline_at = self._deadline_at(action)
        await self._engine.recorder.waiting(self.run, handle, deadline_at, f"{detail} job {handle.id}")
        return handle, deadline_at

    async def _submit(self, action: RemoteJob[Any]) -> tuple[Handle, str]:
        try:
            return await self._acting(action.submit, self._params), "started"
        except EffectUnknownError as error:
            # From now on, not from the submit: the call may have been cut off late, its effect comes later still.
            found = await self._look_up(action, self._engine.clock.now())
            if found is None:
                raise TemporaryError(f"{error}; looked up: nothing was started") from error
            return found, "adopted"

    async def _look_up(self, action: RemoteJob[Any], submitted_at: float) -> Handle | None:
        """Ask for the marker until the job is there, or until it can no longer appear."""
        clock = self._engine.clock
        settled_at = submitted_at + action.lookup_settle_s(self._context(self.run), self._params)
        give_up_at = clock.now() + LOOKUP_GIVE_UP_S
        while True:
            pause_s = LOOKUP_INTERVAL_S
            try:
                found: Handle | None = await self._call(action.find, self._params)
                if found is not None or clock.now() >= settled_at:
                    return found
                pause_s = min(pause_s, max(settled_at - clock.now(), 0.01))
            except TemporaryError as error:
                if clock.now() >= give_up_at:
                    raise EffectUnknownError(f"cannot be looked up: {error}") from error
                pause_s = max(pause_s, error.retry_after_s or 5.0)
            await self._engine.pauses.sleep(pause_s)

    async def _follow(self, action: RemoteJob[Any], handle: Handle, deadline_at: float | None) -> Outcome:
        """Poll until the job has ended or its time is up. Waiting holds no slot and no thread."""
        clock, interval_s = self._engine.clock, action.poll_interval_s(self._params)
        due_at = clock.now() + interval_s
        while True:
            due_at = due_at if deadline_at is None else min(due_at, deadline_at)
            if due_at > clock.now():
                await self._engine.pauses.sleep(due_at - clock.now())
            self._engine.metrics.poll_late_seconds.observe(max(0.0, clock.now() - due_at))
            outcome, pause_s = await self._poll(action, handle)
            if outcome is not None:
                return outcome if outcome.url else msgspec.structs.replace(outcome, url=handle.url)
            if deadline_at is not None and clock.now() >= deadline_at:
                return await self._give_up(action, handle)
            due_at = max(due_at + max(interval_s, pause_s), clock.now())

    async def _poll(self, action: RemoteJob[Any], handle: Handle) -> tuple[Outcome | None, float]:
        try:
            return await self._call(action.poll, handle, self._params), 0.0
        except TemporaryError as error:  # the job goes on; ask again
            return None, max(1.0, error.retry_after_s or 0.0)
        except PermanentError as error:
            raise EffectUnknownError(f"job {handle.id} runs, but cannot be followed: {error}") from error

    async def _give_up(self, action: RemoteJob[Any], handle: Handle) -> Outcome:
        waited_s = self._engine.clock.now() - self.run.created_at
        try:
            await self._call(action.cancel, handle, self._params)
        except (TemporaryError, PermanentError) as error:
            raise EffectUnknownError(
                f"job {handle.id} did not end within {waited_s:.0f} s and could not be cancelled: {error}"
            ) from error
        return Outcome.failure(
            f"timed out after {waited_s:.0f} s; job {handle.id} was cancelled", url=handle.url
        )

    def _deadline_at(self, action: RemoteJob[Any]) -> float | None:
        job_s = action.job_timeout_s(self._params)
        ends = [] if job_s is None else [self._engine.clock.now() + job_s]
        if self._options.timeout is not None:
            ends.append(self.run.created_at + self._options.timeout)
        return min(ends, default=None)

    # --- the boundary to the action ------------------------------------------------------------------------------

    def _left_s(self) -> float | None:
        """Seconds left of the common `timeout`; None without one."""
        if self._options.timeout is None:
            return None
        return max(0.0, self.run.created_at + self._options.timeout - self._engine.clock.now())

    async def _call(self, method: Callable[..., Any], *args: Any) -> Any:
        """Call one of the action's methods. Only errors of our tree come out."""
        left_s = None if isinstance(self._action, RemoteJob) else self._left_s()
        ctx = self._context(self.run)
        call = self._engine.dispatcher.invoke(method, ctx, *args)
        return await guarded(within(self._engine.clock, left_s, call), self._action, ctx)


async def guarded(call: Awaitable[T], action: Action[Any], ctx: ActionContext) -> T:
    """The boundary to a plugin: a mistake in it ends its run, never the process."""
    try:
        return await call
    except AutomationError:
        raise
    except Exception as error:
        ctx.log.exception("action type %s has a mistake", action.type, extra={"event": "action.bug"})
        text = f"mistake in action type {action.type!r}: {type(error).__name__}: {error}"
        if action.effect is Effect.CHANGE:
            raise EffectUnknownError(text) from error
        raise PermanentError(text) from error


def _may_pass(state: RetryCallState) -> bool:
    """A temporary error, or a job that ended badly: worth another try if any are left."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if error is not None:
        return isinstance(error, TemporaryError)
    outcome: Outcome = state.outcome.result()
    return not outcome.ok


def _last_result(state: RetryCallState) -> Outcome:
    """No tries left: the last outcome, or its error raised."""
    assert state.outcome is not None
    outcome: Outcome = state.outcome.result()
    return outcome
