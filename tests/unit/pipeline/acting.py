"""Actions that end as a test's script says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import Field

from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.plugin import ActionContext, Effect, Params, RemoteJob, ShortAction

Step = Any
"""An outcome, an error to raise, or an async function of the context that gives an outcome."""

DONE = Outcome.success("done")


async def play(step: Step, ctx: ActionContext) -> Any:
    if isinstance(step, BaseException):
        raise step
    if callable(step):
        made: Callable[[ActionContext], Awaitable[Any]] = step
        return await made(ctx)
    return step


class Text(Params):
    """One text, which may be a template."""

    text: str = Field("", description="Any text.")


class Short(ShortAction[Text]):
    """Plays one step per call; the last step is played again and again."""

    Params = Text

    def __init__(
        self, *steps: Step, name: str = "short", effect: Effect = Effect.CHANGE, repeatable: bool = False
    ) -> None:
        self.type = name  # type: ignore[misc]
        self.effect = effect  # type: ignore[misc]
        self._steps = list(steps or [DONE])
        self._repeatable = repeatable
        self.calls: list[str] = []
        """The text that each call was given."""
        self.keys: list[str] = []
        """The run key of each call."""

    async def run(self, ctx: ActionContext, params: Text) -> Outcome:
        self.calls.append(params.text)
        self.keys.append(ctx.run_key)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        outcome: Outcome = await play(step, ctx)
        return outcome

    def repeatable(self, params: Text) -> bool:
        return self._repeatable


class Job(RemoteJob[Text]):
    """A remote system in a dictionary: what `submit` starts, `find` finds by its marker.

    `submits`, `finds`, `polls` and `cancels` are steps that come before that; a step None of `submits` starts the job
    and one of `polls` says that it is still running. An error of `submits` that comes as `Started(error)` is raised
    after the job was started.
    """

    type = "job"
    Params = Text
    effect = Effect.CHANGE

    def __init__(
        self,
        *polls: Step,
        submits: tuple[Step, ...] = (),
        finds: tuple[Step, ...] = (),
        cancels: tuple[Step, ...] = (),
        interval_s: float = 30.0,
        timeout_s: float | None = None,
        settle_s: float = 0.0,
    ) -> None:
        self._polls, self._submits, self._finds, self._cancels = (
            list(polls or [DONE]),
            list(submits),
            list(finds),
            list(cancels),
        )
        self._interval_s, self._timeout_s, self._settle_s = interval_s, timeout_s, settle_s
        self.started: list[str] = []
        self.polled_at: list[float] = []
        self.polled: list[str] = []
        self.cancelled: list[str] = []
        self.looked_up: list[str] = []
        self.texts: list[str] = []
        self._here: dict[str, Handle] = {}

    def put(self, marker: str) -> Handle:
        """The job runs over there."""
        self.started.append(marker)
        self._here[marker] = Handle(f"job-{len(self.started)}", url=f"https://jobs.example/{marker}")
        return self._here[marker]

    async def submit(self, ctx: ActionContext, params: Text) -> Handle:
        step = self._submits.pop(0) if self._submits else None
        if isinstance(step, Started):
            self.put(ctx.run_key)
            raise step.error
        if step is not None:
            await play(step, ctx)
        return self.put(ctx.run_key)

    async def find(self, ctx: ActionContext, params: Text) -> Handle | None:
        self.looked_up.append(ctx.run_key)
        if self._finds:
            found: Handle | None = await play(self._finds.pop(0), ctx)
            return found
        return self._here.get(ctx.run_key)

    async def poll(self, ctx: ActionContext, handle: Handle, params: Text) -> Outcome | None:
        self.polled.append(handle.id)
        self.polled_at.append(ctx.clock.now())
        self.texts.append(params.text)
        step = self._polls.pop(0) if len(self._polls) > 1 else self._polls[0]
        outcome: Outcome | None = await play(step, ctx)
        return outcome

    async def cancel(self, ctx: ActionContext, handle: Handle, params: Text) -> None:
        self.cancelled.append(handle.id)
        if self._cancels:
            await play(self._cancels.pop(0), ctx)

    def poll_interval_s(self, params: Text) -> float:
        return self._interval_s

    def job_timeout_s(self, params: Text) -> float | None:
        return self._timeout_s

    def lookup_settle_s(self, ctx: ActionContext, params: Text) -> float:
        return self._settle_s


class Started:
    """The submit took effect, and then its answer got lost."""

    def __init__(self, error: Exception) -> None:
        self.error = error
