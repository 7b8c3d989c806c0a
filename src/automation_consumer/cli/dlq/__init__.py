"""`dlq`: the messages that could not be read, to look at and to send back."""

from __future__ import annotations

import typer

from automation_consumer.cli.dlq.listing import list_letters
from automation_consumer.cli.dlq.requeue import requeue
from automation_consumer.cli.dlq.show import show

dlq = typer.Typer(
    help="Dead letters: messages that could not become an incident.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
dlq.command("list")(list_letters)
dlq.command("show")(show)
dlq.command("requeue")(requeue)

__all__ = ["dlq"]
