"""`publish`: sends sample incidents to the topic, for trying things."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer

from automation_consumer.cli.options import (
    ConfigOption,
    Output,
    OutputOption,
    checked,
    config_path,
    print_json,
)
from automation_consumer.errors import ActionError, BrokerError, EffectUnknownError, UsageError
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.logs import setup
from automation_consumer.pipeline.ruleset import resolve
from automation_consumer.service.secrets import secret_store


def publish(
    files: Annotated[
        list[Path], typer.Argument(help="JSON files, or .jsonl with one message a line; - is stdin.")
    ],
    topic: Annotated[
        str | None, typer.Option("--topic", help="Default: the first topic of the config.")
    ] = None,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", help="Another broker than the config's, such as the embedded one."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The messages' key. Default: the incident's id.")
    ] = None,
    skip: Annotated[
        int, typer.Option("--skip", min=0, help="Leave out so many messages: those that were sent before.")
    ] = 0,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Send incidents to the topic; waits until the broker has them."""
    ruleset = checked(config_path(config)).need()
    kafka = ruleset.config.settings.kafka
    if kafka is None:
        raise UsageError("the configuration has no `kafka:` section")
    settings = dict(resolve(kafka.client_settings(), secret_store(ruleset.config).get))
    if bootstrap is not None:
        settings["bootstrap.servers"] = bootstrap
    setup("console", "error")  # librdkafka repeats itself while a broker is away; our own error says it once
    found = _read(files)
    where = topic or kafka.topics[0]
    producer = KafkaProducer(settings)
    try:
        _send(producer, where, found, skip, key)
    finally:
        producer.close()
    sent = max(0, len(found) - skip)
    if output is Output.JSON:
        print_json({"topic": where, "sent": sent})
    else:
        print(f"{sent} sent to {where} at {settings['bootstrap.servers']}", file=sys.stderr)


class _Sample(NamedTuple):
    """A message to send, byte for byte (poison may be sent, too), and where it was written: `file` or `file:line`."""

    place: str
    value: bytes


def _send(producer: KafkaProducer, topic: str, found: list[_Sample], skip: int, key: str | None) -> None:
    """One after the other. BrokerError says how far it came, and how to go on from there."""
    for number, each in enumerate(found[skip:], skip):
        try:
            producer.send(topic, each.value, key.encode() if key is not None else _key(each.value))
        except ActionError as error:
            said = "may have been sent or not" if isinstance(error, EffectUnknownError) else "was not sent"
            raise BrokerError(
                f"{each.place}, message {number + 1} of {len(found)}, {said}: {error}",
                hint=f"the {number} before it are on the topic; to go on with this one, add --skip {number}",
            ) from error


def _read(files: list[Path]) -> list[_Sample]:
    found: list[_Sample] = []
    for file in files:
        try:
            content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
        if file.suffix == ".jsonl":
            lines = enumerate(content.splitlines(), 1)
            found += [_Sample(f"{file}:{number}", line) for number, line in lines if line.strip()]
        else:
            found.append(_Sample(str(file), content))
    return found


def _key(value: bytes) -> bytes | None:
    """The incident's id where it is at the top, so that its messages keep their order; else none."""
    try:
        document: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    found = document.get("id") if isinstance(document, dict) else None
    return str(found).encode() if isinstance(found, str | int) else None
