"""The action type `wait`: nothing for a while, across restarts."""

from __future__ import annotations

import math
from typing import ClassVar, Final

from pydantic import Field

from automation_consumer.clock import iso
from automation_consumer.plugin import ActionContext, Duration, Effect, Handle, Outcome, Params, RemoteJob

_MAX_STEP_S: Final = 15.0


class WaitParams(Params):
    """How long."""

    duration: Duration = Field(description="How long to wait, from the moment the run began.")


class Wait(RemoteJob[WaitParams]):
    """Waits for a duration before the next action.

    It holds no thread and no slot while it waits, and a restart does not begin it anew.

    Example:
        name: let_it_settle
        type: wait
        duration: 2m
    """

    type: ClassVar[str] = "wait"
    Params = WaitParams
    effect = Effect.READ

    async def submit(self, ctx: ActionContext, params: WaitParams) -> Handle:
        return _handle(ctx, params)

    async def find(self, ctx: ActionContext, params: WaitParams) -> Handle:
        return _handle(ctx, params)

    async def poll(self, ctx: ActionContext, handle: Handle, params: WaitParams) -> Outcome | None:
        if ctx.clock.now() < handle.data["due"]:
            return None
        return Outcome.success(f"waited {params.duration:g} s")

    async def cancel(self, ctx: ActionContext, handle: Handle, params: WaitParams) -> None:
        """There is nothing to stop."""

    async def preview(self, ctx: ActionContext, params: WaitParams) -> str:
        return f"would wait {params.duration:g} s"

    def poll_interval_s(self, params: WaitParams) -> float:
        """The duration in equal steps of at most 15 s, so that one poll falls on its end."""
        return params.duration / max(1, math.ceil(params.duration / _MAX_STEP_S))


def _handle(ctx: ActionContext, params: WaitParams) -> Handle:
    due = ctx.started_at + params.duration
    return Handle(f"until {iso(due)}", data={"due": due})
