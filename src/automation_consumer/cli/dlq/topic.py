"""Opens the dead-letter topic that the configuration names, and tells how far a long read has come."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from automation_consumer.cli.options import config_path
from automation_consumer.clock import SystemClock
from automation_consumer.config.load import load
from automation_consumer.config.secrets import SecretStore
from automation_consumer.errors import UsageError
from automation_consumer.logs import setup
from automation_consumer.pipeline.ruleset import resolve
from automation_consumer.plugin.registry import Registry
from automation_consumer.sources.kafka.dead_letter_topic import DeadLetterTopic
from automation_consumer.sources.kafka.dead_letters import LetterId

BootstrapOption = Annotated[
    str | None,
    typer.Option("--bootstrap", help="Another broker than the config's, such as the embedded one."),
]
_TELL_EVERY_S: Final = 2.0


@contextmanager
def opened(config: Path | None, bootstrap: str | None) -> Iterator[tuple[DeadLetterTopic, dict[str, Any]]]:
    """The topic, and the client settings that go with it.

    A configuration with mistakes is good enough, if its Kafka section is not among them: this is a command for bad days.
    """
    path = config_path(config)
    if not path.exists():
        raise UsageError(f"there is no configuration at {path}", hint="name it with -c: it names the topic")
    settings = load([path], Registry.installed(), os.environ).draft.settings
    if settings.kafka is None:
        raise UsageError(f"{path} has no `kafka:` section that can be used", hint="`validate` says why")
    if settings.kafka.dead_letter_topic is None:
        raise UsageError(
            f"{path} names no kafka.dead_letter_topic", hint="without one, poison is logged and kept nowhere"
        )
    client = dict(resolve(settings.kafka.client_settings(), SecretStore(settings.secrets, os.environ).get))
    if bootstrap is not None:
        client["bootstrap.servers"] = bootstrap
    setup("console", "error")  # librdkafka repeats itself while a broker is away; our own error says it once
    name = settings.kafka.dead_letter_topic
    with DeadLetterTopic(client, name, progress=_Progress(name)) as topic:
        yield topic, client


class _Progress:
    """A line on stderr every two seconds."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._clock = SystemClock()
        self._told_at = self._clock.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = self._clock.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            print(f"{done:,} of about {total:,} records of {self._topic} read", file=sys.stderr)


def letter_id(text: str) -> LetterId:
    """An id as it was typed. UsageError when it is none."""
    found = LetterId.parse(text)
    if found is None:
        raise UsageError(
            f"{text!r} is not the id of a dead letter", hint="ids are as `dlq list` shows them: 0:42"
        )
    return found
