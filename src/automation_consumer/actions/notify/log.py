"""The action type `log`: a line in the service's log."""

from __future__ import annotations

import logging
from typing import ClassVar, Final, Literal

from pydantic import Field

from automation_consumer.plugin import ActionContext, Effect, Outcome, Params, ShortAction

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_LOGGED: Final = Outcome.success("logged")


class LogParams(Params):
    """The line."""

    message: str = Field(description="The text of the line.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The line's level.")


class Log(ShortAction[LogParams]):
    """Writes a line to the service's log.

    The line has the event `action.log` and the ids of the run.

    Example:
        name: note_it
        type: log
        message: "{{ incident.title }} on {{ host }}"
        level: warning
    """

    type: ClassVar[str] = "log"
    Params = LogParams
    effect = Effect.NOTIFY

    async def run(self, ctx: ActionContext, params: LogParams) -> Outcome:
        ctx.log.log(_LEVELS[params.level], params.message, extra={"event": "action.log"})
        return _LOGGED

    def repeatable(self, params: LogParams) -> bool:
        return True

    async def preview(self, ctx: ActionContext, params: LogParams) -> str:
        return f"would log: {params.message}"
