"""The boundary between a run and its action: why a call was not made, and what may come out of one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from tenacity import RetryCallState

from automation_consumer.errors import AutomationError, EffectUnknownError, PermanentError, TemporaryError
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.verdict import Verdict
from automation_consumer.plugin.action import Action, Effect
from automation_consumer.plugin.context import ActionContext

T = TypeVar("T")


class WithdrawnError(AutomationError):
    """Nobody wants this run any more: an operator cancelled it, or its incident is resolved."""


class LapsedError(AutomationError):
    """Our lease is over by our own clock: another process may have this run. Nothing was called."""


class DeniedError(AutomationError):
    """A safety check that was passed before says no now (it was paused meanwhile). Nothing was called."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.check}: {verdict.reason}")
        self.verdict = verdict


def denial(verdict: Verdict) -> dict[str, Any]:
    """What the journal keeps of a denial."""
    return {**verdict.data, "check": verdict.check, "then": str(verdict.then)}


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


def may_pass(state: RetryCallState) -> bool:
    """A temporary error, or a job that ended badly: worth another try if any are left."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if error is not None:
        return isinstance(error, TemporaryError)
    outcome: Outcome = state.outcome.result()
    return not outcome.ok


def last_result(state: RetryCallState) -> Outcome:
    """No tries left: the last outcome, or its error raised."""
    assert state.outcome is not None
    outcome: Outcome = state.outcome.result()
    return outcome
