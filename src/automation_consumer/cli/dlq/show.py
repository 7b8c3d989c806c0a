"""`dlq show`: one dead letter in full."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from automation_consumer.cli.dlq.facts import facts, readable
from automation_consumer.cli.dlq.topic import BootstrapOption, letter_id, opened
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.errors import UsageError
from automation_consumer.sources.kafka.dead_letter_topic import DeadLetterTopic
from automation_consumer.sources.kafka.dead_letters import DeadLetter, LetterId, RequeueMark, read

_HEX_LINE = 32  # bytes


def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As `dlq list` shows it: partition:offset.")],
    value: Annotated[
        bool,
        typer.Option("--value", help="Only the message's value, byte for byte: for a file or another tool."),
    ] = False,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """One dead letter in full: why, where, its headers and its value."""
    if value and output is Output.JSON:
        raise UsageError(
            "--value and -o json each say what is printed", hint="-o json has the value, too, as text"
        )
    wanted = letter_id(letter)
    with opened(config, bootstrap) as (topic, _):
        found, requeued_at = _find(topic, wanted)
    if value:
        sys.stdout.buffer.write(found.value or b"")
    elif output is Output.JSON:
        headers = [{"name": name, "value": readable(content)} for name, content in found.headers]
        print_json(
            {
                **facts(found),
                "requeued_at": requeued_at[-1] if requeued_at else None,
                "headers": headers,
                "value": readable(found.value),
            }
        )
    else:
        _print(found, requeued_at)


def _find(topic: DeadLetterTopic, wanted: LetterId) -> tuple[DeadLetter, list[str]]:
    """The letter, and when it was requeued."""
    found: DeadLetter | None = None
    requeued_at: list[str] = []
    for record in topic.records({wanted.partition: wanted.offset}):
        each = read(record)
        if isinstance(each, RequeueMark):
            if each.letter == wanted:
                requeued_at.append(each.at)
        elif each.id == wanted:
            found = each
    if found is None:
        raise UsageError(
            f"there is no letter {wanted} on {topic.name}",
            hint="the topic may have deleted it by its retention; `dlq list` shows what is there",
        )
    return found, requeued_at


def _print(letter: DeadLetter, requeued_at: list[str]) -> None:
    shown: dict[str, Any] = {
        "letter": letter.id,
        "reason": letter.reason,
        "detail": letter.detail,
        "failed": letter.at,
        "message": letter.place,
        "timestamp": letter.timestamp,
        "group": letter.group,
        "config": letter.config_version,
        "requeued": ", ".join(requeued_at),
        "before": f"requeued {letter.requeues} times before it failed this time" if letter.requeues else "",
        "cut": ", ".join(letter.cut),
        "key": readable(letter.key),
    }
    for name, content in shown.items():
        if content not in ("", None):
            print(f"{name + ':':<11} {visible(str(content)).replace(chr(10), chr(10) + ' ' * 12)}")
    if letter.headers:
        print("headers:")
        for name, raw in letter.headers:
            print(f"  {visible(name)}: {visible(str(readable(raw)))}")
    _print_value(letter.value)


def _print_value(value: bytes | None) -> None:
    if value is None:
        print("value:      none (a tombstone)")
        return
    print(f"value:      {len(value):,} bytes")
    try:
        print(visible(value.decode()))
    except UnicodeDecodeError:
        for start in range(0, len(value), _HEX_LINE):
            line = value[start : start + _HEX_LINE]
            print(f"  {start:08x}  {line.hex(' ', -4)}")
