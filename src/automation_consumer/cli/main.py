"""The table of commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import sys
from enum import IntEnum

import typer

from automation_consumer.cli.actions import actions
from automation_consumer.cli.demo import demo
from automation_consumer.cli.dlq import dlq
from automation_consumer.cli.explain import explain
from automation_consumer.cli.new_action import new_action
from automation_consumer.cli.pause import pause
from automation_consumer.cli.publish import publish
from automation_consumer.cli.resume import resume
from automation_consumer.cli.run import run
from automation_consumer.cli.runs import runs
from automation_consumer.cli.schema import schema
from automation_consumer.cli.validate import validate
from automation_consumer.cli.version import version
from automation_consumer.errors import AutomationError, ConfigError


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    NO = 1  # the answer is no: invalid config, failed expectation, failed run with --once
    IMPOSSIBLE = 2  # it could not be done: usage, no broker, no store


app = typer.Typer(
    name="automation-consumer",
    help="Reads incidents from Kafka, matches them to conditions and runs typed actions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, demo, validate, explain, actions, schema, pause, resume, publish, version):
    app.command()(command)
app.command("new-action")(new_action)
app.add_typer(runs, name="runs")
app.add_typer(dlq, name="dlq")


def main() -> None:
    """Run the command line. Never prints a traceback for an error that we know."""
    try:
        app()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(Exit.NO)
    except AutomationError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(Exit.IMPOSSIBLE)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away (`| head`)
        sys.exit(Exit.DONE)
