"""`runs list`: the journal, as a table or one run in full."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import orjson
import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from automation_consumer.cli.journal import StoreOption, journal, known
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.cli.runs.lookup import find_run
from automation_consumer.clock import iso
from automation_consumer.model.run import Run, RunChange, RunStatus
from automation_consumer.store.journal import JournalReader, RunFilter

COLOURS = {
    RunStatus.SUCCEEDED: "green",
    RunStatus.FAILED: "red",
    RunStatus.UNKNOWN: "magenta",
    RunStatus.SKIPPED: "dim",
    RunStatus.CANCELLED: "dim",
    RunStatus.PREVIEWED: "cyan",
}
PIPED_WIDTH = 200
WIDE = 130  # columns of a terminal from which ids are shown whole
NARROW = 110  # below, the reason has a line of its own
COLUMNS = ("run", "when", "status", "incident", "alert", "condition", "action", "why")
FOLDED = ("condition", "action", "why")
TIMES = ("created_at", "ended_at", "next_at", "deadline_at")


def list_runs(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One run in full; the beginning of its id is enough.")
    ] = None,
    incident: Annotated[str | None, typer.Option("--incident", help="Only runs of this incident.")] = None,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    config: ConfigOption = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """What was decided and done, for which rule, and how it ended. `runs` and `runs ID` are the same as `runs list`."""
    with journal(known(config, store).store) as reader:
        if run_id is not None:
            _one(reader, run_id, output)
        else:
            _table(reader, reader.runs(RunFilter(incident, status, limit)), output)


def as_dict(run: Run) -> dict[str, Any]:
    """A run as JSON output shows it: times as ISO 8601."""
    facts: dict[str, Any] = msgspec.to_builtins(run)
    for name in TIMES:
        if facts[name] is not None:
            facts[name] = iso(facts[name])
    del facts["subject"], facts["digest"]  # of use to the engine only
    return facts


def _one(reader: JournalReader, run_id: str, output: Output) -> None:
    run = find_run(reader, run_id)
    changes = reader.changes(run.id)
    if output is Output.JSON:
        listed = [{"at": iso(each.at), "status": each.status, "detail": each.detail} for each in changes]
        print_json({**as_dict(run), "changes": listed})
        return
    _show(run, changes)


def _show(run: Run, changes: list[RunChange]) -> None:
    facts = as_dict(run)
    shown = {
        "run": run.id,
        "status": f"{run.status}{f' ({run.reason})' if run.reason else ''}",
        "incident": run.incident_id,
        "alert": run.alert_id,
        "condition": f"{run.condition} ({run.rule}, config {run.config_version})",
        "action": f"{run.action} ({run.action_type}, {run.phase})",
        "message": f"{run.topic}[{run.partition}]@{run.offset}",
        "attempt": run.attempt,
        "created": facts["created_at"],
        "ended": facts["ended_at"],
        "next try": facts["next_at"] if run.status is RunStatus.RETRYING else None,
        "url": run.url,
        "job": run.handle["id"] if run.handle else None,
        "parameters": orjson.dumps(run.params, option=orjson.OPT_INDENT_2).decode() if run.params else None,
        "result": orjson.dumps(run.data, option=orjson.OPT_INDENT_2).decode() if run.data else None,
        "output": run.output,
    }
    for name, value in shown.items():
        if value is not None:
            print(f"{name + ':':<12} {visible(str(value)).replace(chr(10), chr(10) + ' ' * 13)}")
    print("changes:")
    for each in changes:
        print(f"  {iso(each.at)}  {each.status:<10} {visible(each.detail)}".rstrip())


def _table(reader: JournalReader, found: list[Run], output: Output) -> None:
    if output is Output.JSON:
        print_json([as_dict(run) for run in found])
        return
    if not found:
        print("no runs", file=sys.stderr)
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    rows = [(*_cells(run, short=console.width < WIDE), _why(reader, run)) for run in found]
    # Text, not markup: ids and reasons may hold anything that an incident says.
    texts = [[Text(visible(cell), _style(cell, column)) for column, cell in enumerate(row)] for row in rows]
    if console.width < NARROW:
        _in_two_lines(console, texts)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, no_wrap=name not in FOLDED, overflow="fold")
    for row in texts:
        table.add_row(*row)
    console.print(table)


def _in_two_lines(console: Console, rows: list[list[Text]]) -> None:
    """Each run in a line, and its reason below."""
    names = [Text(name, "bold") for name in COLUMNS[:-1]]
    widths = [max(map(len, column)) for column in zip(names, *(row[:-1] for row in rows), strict=True)]
    for row in (names, *rows):
        cells = [
            Text.assemble(cell, " " * (width - len(cell))) for cell, width in zip(row, widths, strict=False)
        ]
        line = Text("  ").join(cells)
        line.rstrip()
        console.print(line)
        if len(row) > len(names) and row[-1].plain:
            console.print(Padding(row[-1], (0, 0, 0, 4)))


def _cells(run: Run, *, short: bool) -> tuple[str, ...]:
    return (
        run.id[:9],
        iso(run.created_at)[5:19].replace("T", " "),
        run.status,
        _tail(run.incident_id, short),
        _tail(run.alert_id or "", short),
        run.condition,
        run.action,
    )


def _why(reader: JournalReader, run: Run) -> str:
    """The reason of a run's end; while it waits for a retry, what went wrong last and when the next try is due."""
    if run.status is not RunStatus.RETRYING:
        return run.reason
    failed = next((each.detail for each in reversed(reader.changes(run.id)) if each.detail), "")
    return f"{failed}; next try at {iso(run.next_at)}" if run.next_at is not None else failed


def _style(cell: str, column: int) -> str:
    return COLOURS.get(RunStatus(cell), "yellow") if COLUMNS[column] == "status" else ""


def _tail(text: str, short: bool) -> str:
    """An id that fits: its end is what tells it from its neighbours."""
    return f"…{text[-8:]}" if short and len(text) > 10 else text
