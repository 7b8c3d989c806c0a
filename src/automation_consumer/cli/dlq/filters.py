"""The options that choose letters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from automation_consumer.clock import SystemClock
from automation_consumer.plugin.params import parse_duration

ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Only letters with this reason, such as not-json.")
]
TopicOption = Annotated[
    str | None, typer.Option("--topic", help="Only letters of messages that came from this topic.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Only letters from then on: an ISO 8601 time, or 2h for two hours ago.",
    ),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only letters from before then; as --since.")
]


def instant_ms(text: str | None) -> int | None:
    """What `--since` and `--until` take, as milliseconds since the epoch."""
    if text is None:
        return None
    try:
        return int((SystemClock().now() - parse_duration(text)) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is neither a time such as 2026-01-31T08:00:00Z nor an age such as 2h"
        ) from error
