"""The two shapes of an action: short (`run`) and remote job (`submit`, `find`, `poll`, `cancel`).

A method may be `async def` (runs on the event loop, must not block) or plain (runs in the thread pool, may block).
Retries, timeout, lock, cooldown, dry run, journal, metrics and masking are around the action, never inside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Params

P = TypeVar("P", bound=Params)
T = TypeVar("T")
MaybeAwaitable: TypeAlias = T | Awaitable[T]
ParamsClass: TypeAlias = type[Any]  # `type` is an attribute inside the class


class Effect(StrEnum):
    """What an action may touch."""

    READ = "read"
    NOTIFY = "notify"
    CHANGE = "change"


class Scope(StrEnum):
    """What an action is about: it may be listed in `alert_actions`, in `incident_actions`, or in both."""

    ALERT = "alert"
    INCIDENT = "incident"
    ANY = "any"


class Action(ABC, Generic[P]):
    """Base of both shapes. One instance serves all runs, so it keeps no state of a run.

    The class docstring's first line says what it does; a block after a line `Example:` is YAML of one
    complete action, which a test loads and validates.
    """

    type: ClassVar[str]
    Params: ClassVar[ParamsClass]
    effect: ClassVar[Effect]
    scope: ClassVar[Scope] = Scope.ANY
    connection: ClassVar[str | None] = None
    """The connection used when the YAML names none: the name of the system (`screwdriver`, `slack`)."""

    def preview(self, ctx: ActionContext, params: P) -> MaybeAwaitable[str]:
        """Called instead of acting in a dry run: one line that says what would happen. Must not change anything."""
        return f"would run {self.type}"

    def check(self, ctx: ActionContext, params: P) -> MaybeAwaitable[list[str]]:
        """Called by `doctor`: what is wrong with this action's surroundings, one line each; [] when all is well."""
        return []


class ShortAction(Action[P]):
    """Does its work in one call."""

    @abstractmethod
    def run(self, ctx: ActionContext, params: P) -> MaybeAwaitable[Outcome]:
        """Called once per attempt, after the intent is in the journal. Raises an `ActionError` when it cannot act."""

    def repeatable(self, params: P) -> bool:
        """Whether doing it twice does no harm. If not, a run that a crash cut off ends UNKNOWN."""
        return False


class RemoteJob(Action[P]):
    """Starts a job elsewhere and lets the engine wait for it. The job carries `ctx.run_key` as its marker."""

    @abstractmethod
    def submit(self, ctx: ActionContext, params: P) -> MaybeAwaitable[Handle]:
        """Start the job, marked with `ctx.run_key`. Called after the intent is in the journal, at most once per attempt
        unless `find` has shown that nothing was started. `EffectUnknownError` makes the engine look the marker up."""

    @abstractmethod
    def find(self, ctx: ActionContext, params: P) -> MaybeAwaitable[Handle | None]:
        """Look the marker up. None: no such job. `LookupImpossibleError`: this system cannot be asked."""

    @abstractmethod
    def poll(self, ctx: ActionContext, handle: Handle, params: P) -> MaybeAwaitable[Outcome | None]:
        """Ask once. None: still running. `TemporaryError` is retried at the next poll."""

    @abstractmethod
    def cancel(self, ctx: ActionContext, handle: Handle, params: P) -> MaybeAwaitable[None]:
        """Stop the job (on timeout, or by a human). Must be safe to call for a job that has ended."""

    def poll_interval_s(self, params: P) -> float:
        """Seconds between two polls; 0 polls once at once (for calls that are done when they return)."""
        return 30.0

    def job_timeout_s(self, params: P) -> float | None:
        """Seconds from the submit after which the job is cancelled and the run fails; None: the common `timeout` only."""
        return None

    def lookup_settle_s(self, ctx: ActionContext, params: P) -> float:
        """How long after a submit a job may still appear. The engine looks the marker up for that long before it submits again."""
        return 0.0
