"""`runs`: the journal, and what an operator may ask for a run in it."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from automation_consumer.cli.runs.listing import COLOURS, list_runs
from automation_consumer.cli.runs.requests import cancel_run, retry_run


class ListByDefault(TyperGroup):
    """`runs` and `runs ID` mean `runs list` and `runs list ID`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


runs = typer.Typer(
    cls=ListByDefault,
    help="The journal: what was decided and done. `runs` and `runs ID` show it; a run can be tried again or cancelled.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs.command("list")(list_runs)
runs.command("retry")(retry_run)
runs.command("cancel")(cancel_run)

__all__ = ["COLOURS", "runs"]
