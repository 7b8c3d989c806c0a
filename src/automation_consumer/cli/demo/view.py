"""The demo while it runs: a live table on a terminal, a line a second elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automation_consumer.cli.demo.report import seconds
from automation_consumer.cli.demo.session import Progress
from automation_consumer.cli.runs import COLOURS
from automation_consumer.clock import iso
from automation_consumer.model.run import OPEN, Run, RunStatus

LINE_EVERY_S = 1.0
UNDER_WAY = "under way"
OPEN_COLOUR = "yellow"
SHOWN_STATES = (UNDER_WAY, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SKIPPED)
_LINES_BESIDES = 15  # of the live table, besides the latest runs
_REASON = 48  # characters

Watch = Callable[[Progress], None]


@contextmanager
def view(console: Console) -> Iterator[Watch]:
    """What shows progress on this console for as long as the `with` block."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Lines(console).watch
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(_screen(progress, console.height), refresh=True)


class _Lines:
    """A line a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0

    def watch(self, progress: Progress) -> None:
        if progress.seconds < self._next_s:
            return
        self._next_s = progress.seconds + LINE_EVERY_S
        self._console.print(
            f"{progress.seconds:5.1f} s  {_read(progress)}; {_states(progress.runs)}", soft_wrap=True
        )


def _read(progress: Progress) -> str:
    tally = progress.tally
    return (
        f"{tally.incidents + tally.dead_letters} of {progress.messages} messages read, "
        f"{tally.matched} matched, {tally.dead_letters} dead-lettered"
    )


def _states(runs: Sequence[Run]) -> str:
    counted = Counter(map(_state, runs))
    return "runs: " + (
        ", ".join(f"{counted[state]} {state}" for state in SHOWN_STATES if counted[state]) or "none"
    )


def _state(run: Run) -> str:
    return UNDER_WAY if run.status in OPEN else run.status


def _colour(state: str) -> str:
    """Yellow for what is still open."""
    return COLOURS.get(RunStatus(state), OPEN_COLOUR) if state != UNDER_WAY else OPEN_COLOUR


def _screen(progress: Progress, height: int) -> RenderableType:
    tally = progress.tally
    bar = ProgressBar(progress.messages, tally.incidents + tally.dead_letters, width=60)
    head = Text(f"{progress.seconds:5.1f} s  {_read(progress)}", style="bold")
    return Group(
        head, bar, "", _by_action(progress.runs), "", _latest(progress.runs, max(3, height - _LINES_BESIDES))
    )


def _by_action(runs: Sequence[Run]) -> Table:
    table = _table("action", "type")
    for state in SHOWN_STATES:
        table.add_column(state, justify="right", style=_colour(state))
    counted = Counter((run.action, _state(run)) for run in runs)
    for action, action_type in sorted({(run.action, run.action_type) for run in runs}):
        numbers = [counted[action, state] for state in SHOWN_STATES]
        table.add_row(action, action_type, *(str(number) if number else "" for number in numbers))
    return table


def _latest(runs: Sequence[Run], count: int) -> Table:
    """The runs in which something happened last."""
    table = _table("time", "incident", "host", "action", "state", "s", "")
    for run in sorted(runs, key=lambda each: each.ended_at or each.created_at, reverse=True)[:count]:
        took = f"{seconds(run):.1f}" if run.ended else ""
        table.add_row(
            iso(run.ended_at or run.created_at)[11:19],
            run.incident_id,
            run.target if run.alert_id else "",
            run.action,
            Text(run.status, style=_colour(run.status)),
            took,
            Text(run.reason[:_REASON], style="dim"),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
