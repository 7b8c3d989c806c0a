"""`dlq requeue`: sends messages back to where they came from, once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from automation_consumer.cli.dlq.filters import (
    ReasonOption,
    SinceOption,
    TopicOption,
    UntilOption,
    instant_ms,
)
from automation_consumer.cli.dlq.topic import BootstrapOption, letter_id, opened
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.clock import SystemClock
from automation_consumer.errors import AutomationError, UsageError
from automation_consumer.sources.kafka.requeue import Requeue, Result, Selection, Told


def requeue(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="As `dlq list` shows them.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every letter that was not requeued yet.")
    ] = False,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many, oldest first.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was requeued before: it is processed once more.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; send nothing.")] = False,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Send messages back to the topic they came from. A letter that was requeued already is not sent a second time."""
    selection = Selection(
        ids=frozenset(map(letter_id, ids or ())),
        reason=reason,
        topic=topic,
        since_ms=instant_ms(since),
        until_ms=instant_ms(until),
    )
    if everything and ids:
        raise UsageError("--all and ids each say which letters", hint="leave --all out")
    if selection == Selection() and not everything:
        raise UsageError("which letters?", hint="name ids, a filter such as --reason not-json, or --all")
    with opened(config, bootstrap) as (letters, settings):
        going = Requeue(settings, letters, SystemClock(), dry_run=dry_run)
        try:
            report = _Report(output, dry_run=dry_run, each_skipped=bool(ids))
            report.run(going.run(selection, again=again, limit=limit))
        finally:
            going.close()
    report.end()
    if report.counts[Result.REFUSED]:
        raise typer.Exit(1)


class _Report:
    """Tells of each letter as it is done; in JSON, of all at the end."""

    def __init__(self, output: Output, *, dry_run: bool, each_skipped: bool) -> None:
        self.counts: Counter[Result] = Counter()
        self._json = output is Output.JSON
        self._dry_run = dry_run
        self._each_skipped = each_skipped
        self._rows: list[dict[str, Any]] = []

    def run(self, told: Iterator[Told]) -> None:
        try:
            for each in told:
                self._add(each)
        except (AutomationError, KeyboardInterrupt):
            done = self.counts[Result.REQUEUED]
            print(f"{done:,} requeued before this; run it again: they are not sent twice", file=sys.stderr)
            raise

    def end(self) -> None:
        if self._json:
            print_json(
                {
                    "dry_run": self._dry_run,
                    **{result.value: self.counts[result] for result in Result},
                    "letters": self._rows,
                }
            )
            return
        said = ", ".join(f"{self.counts[result]:,} {self._word(result)}" for result in Result)
        print(f"dry run, nothing was sent: {said}" if self._dry_run else said, file=sys.stderr)

    def _word(self, result: Result) -> str:
        return f"would be {result}" if self._dry_run and result is Result.REQUEUED else result

    def _add(self, told: Told) -> None:
        self.counts[told.result] += 1
        if told.result is Result.SKIPPED and not self._each_skipped:
            return  # by a filter there may be a million of them
        if self._json:
            self._rows.append(
                {
                    "id": str(told.id),
                    "result": told.result,
                    "message": told.place or None,
                    "why": told.why or None,
                }
            )
            return
        why = f": {told.why}" if told.why else ""
        print(visible(f"{told.id}  {self._word(told.result)}  {told.place}{why}"))
