"""`dlq list`: the newest dead letters, and how many there are of each reason."""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automation_consumer.cli.dlq.facts import facts
from automation_consumer.cli.dlq.filters import (
    ReasonOption,
    SinceOption,
    TopicOption,
    UntilOption,
    instant_ms,
)
from automation_consumer.cli.dlq.topic import BootstrapOption, opened
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.model.message import Message
from automation_consumer.sources.kafka.dead_letters import LetterId, RequeueMark, read
from automation_consumer.sources.kafka.requeue import Selection

PIPED_WIDTH = 200


def list_letters(
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """The dead letters, newest first: why, when, where the message was, whether it was requeued."""
    selection = Selection(reason=reason, topic=topic, since_ms=instant_ms(since), until_ms=instant_ms(until))
    with opened(config, bootstrap) as (letters, _):
        survey = Survey(letters.records(), selection, limit)
    if output is Output.JSON:
        print_json(survey.newest)
    else:
        _print(survey)


class Survey:
    """What a read of the topic found. Keeps only what is shown, however long the topic is."""

    def __init__(self, records: Iterable[Message], selection: Selection, limit: int) -> None:
        self.reasons: Counter[str] = Counter()
        self.not_requeued = 0
        marks: dict[LetterId, str] = {}
        taken: set[LetterId] = set()
        heap: list[tuple[int, LetterId, dict[str, Any]]] = []
        for record in records:
            letter = read(record)
            if isinstance(letter, RequeueMark):
                marks[letter.letter] = letter.at
            elif selection.takes(letter):
                self.reasons[letter.reason] += 1
                taken.add(letter.id)
                row = (letter.written_ms, letter.id, facts(letter))
                if len(heap) < limit:
                    heapq.heappush(heap, row)
                else:
                    heapq.heappushpop(heap, row)
        self.not_requeued = len(taken - marks.keys())
        self.newest = [
            {**row, "requeued_at": marks.get(letter_id)} for _, letter_id, row in sorted(heap, reverse=True)
        ]


def _print(survey: Survey) -> None:
    if not survey.newest:
        print("no dead letters", file=sys.stderr)
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "when", "reason"):
        table.add_column(column, no_wrap=True)
    for column in ("message", "requeued", "detail"):
        table.add_column(column, overflow="fold")
    for row in survey.newest:
        place = f"{row['topic'] or '?'}[{_known(row['partition'])}]@{_known(row['offset'])}"
        style = "dim" if row["requeued_at"] else ""
        cells = (row["id"], _short(row["at"]), row["reason"] or "?", place, _requeued(row), row["detail"])
        # Text, not markup: a detail may hold anything that a message says.
        table.add_row(*(Text(visible(cell), style) for cell in cells))
    console.print(table)
    total = survey.reasons.total()
    said = ", ".join(f"{count:,} {visible(reason or '?')}" for reason, count in survey.reasons.most_common())
    print(
        f"{len(survey.newest):,} of {total:,} letters; {survey.not_requeued:,} not requeued; {said}",
        file=sys.stderr,
    )


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)


def _short(at: str) -> str:
    return at[5:19].replace("T", " ")


def _requeued(row: dict[str, Any]) -> str:
    """When this letter was, and how often its message had been before."""
    before = f"{row['requeues']} before" if row["requeues"] else ""
    return ", ".join(filter(None, (_short(row["requeued_at"] or ""), before)))
