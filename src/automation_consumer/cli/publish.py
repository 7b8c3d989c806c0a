"""`publish`: sends sample incidents to the topic, for trying things."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

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
from automation_consumer.errors import UsageError
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
    producer = KafkaProducer(settings)
    where = topic or kafka.topics[0]
    sent = 0
    try:
        for value in _values(files):
            producer.send(where, value, key.encode() if key is not None else _key(value))
            sent += 1
    finally:
        producer.close()
    if output is Output.JSON:
        print_json({"topic": where, "sent": sent})
    else:
        print(f"{sent} sent to {where} at {settings['bootstrap.servers']}", file=sys.stderr)


def _values(files: list[Path]) -> list[bytes]:
    """The messages in the files, byte for byte: poison may be sent, too."""
    found: list[bytes] = []
    for file in files:
        try:
            content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
        if file.suffix == ".jsonl":
            found += [line for line in content.splitlines() if line.strip()]
        else:
            found.append(content)
    return found


def _key(value: bytes) -> bytes | None:
    """The incident's id where it is at the top, so that its messages keep their order; else none."""
    try:
        document: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    found = document.get("id") if isinstance(document, dict) else None
    return str(found).encode() if isinstance(found, str | int) else None
