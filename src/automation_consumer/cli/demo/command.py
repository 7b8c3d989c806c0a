"""The command `demo`, and its summary for people."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from automation_consumer.cli.demo.report import Report
from automation_consumer.cli.demo.session import CONFIG, play
from automation_consumer.cli.demo.view import view
from automation_consumer.cli.options import Output, OutputOption, print_json
from automation_consumer.clock import SystemClock

STOPPED_BY_HAND = 130  # as shells count an end by Ctrl+C


def demo(
    output: OutputOption = Output.TEXT,
    show_log: Annotated[
        bool, typer.Option("--log", help="Print the service's log on stderr at the end.")
    ] = False,
) -> None:
    """Everything embedded: broker, store, sample incidents, stand-in targets; shows what happened in 15 s."""
    stream = sys.stderr if output is Output.JSON else sys.stdout
    console = Console(file=stream, force_terminal=stream.isatty(), highlight=False, markup=False)
    log = io.StringIO()
    with view(console) as watch:
        result = asyncio.run(play(SystemClock(), watch, log))
    if output is Output.JSON:
        print_json(result.as_dict())
    else:
        _print(console, result)
    if result.problems or show_log:
        print(log.getvalue(), file=sys.stderr)
    if result.interrupted:
        raise typer.Exit(STOPPED_BY_HAND)
    if result.problems:
        raise typer.Exit(1)


def _print(console: Console, result: Report) -> None:
    console.print("\nWhat came off the topic")
    console.print(_counts(result))
    console.print("\nWhat ran")
    console.print(_actions(result))
    console.print(f"\n{_jobs(result)}\n{_times(result)}", soft_wrap=True)
    console.print(f"The YAML behind it: {CONFIG}\n", soft_wrap=True)
    console.print(_verdict(result), soft_wrap=True)


def _counts(result: Report) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(str(result.messages), "messages sent")
    table.add_row(str(result.incidents), "incidents read")
    table.add_row(str(result.matched), "matched")
    for condition, count in sorted(result.conditions.items()):
        table.add_row("", f"{count:>3} {condition}")
    table.add_row(str(result.unmatched), "matched nothing")
    table.add_row(str(result.dead_letters), "dead letters")
    return table


def _actions(result: Report) -> Table:
    states = sorted(result.runs, key=lambda state: -result.runs[state])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("action")
    table.add_column("type")
    for state in [*states, "seconds"]:
        table.add_column(state, justify="right")
    for total in result.actions:
        counts = [str(total.outcomes.get(state, "")) for state in states]
        table.add_row(total.action, total.type, *counts, f"{total.seconds:.1f}")
    table.add_row("all", "", *(str(result.runs[state]) for state in states), f"{result.one_by_one_s:.1f}")
    return table


def _jobs(result: Report) -> str:
    twice = "none twice" if result.jobs_started_twice == 0 else f"{result.jobs_started_twice} twice"
    return f"{result.jobs_started} remote jobs were started, {twice}."


def _times(result: Report) -> str:
    if result.interrupted:
        return f"It took {result.took_s:.1f} s until it was stopped."
    text = f"It took {result.took_s:.1f} s. One by one it would have taken {result.one_by_one_s:.1f} s"
    return (
        f"{text}: {result.one_by_one_s / result.took_s:.0f} times as long." if result.took_s else f"{text}."
    )


def _verdict(result: Report) -> str:
    if result.interrupted:
        return "Stopped before the end."
    if result.problems:
        return "Not everything happened that should have:\n" + "\n".join(
            f"  {each}" for each in result.problems
        )
    return "Everything that should have happened did, the failed job and the dead letter included."
