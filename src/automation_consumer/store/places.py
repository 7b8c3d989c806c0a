"""Where a message was, as the journal tells messages apart."""

from __future__ import annotations

from typing import NamedTuple

from automation_consumer.model.message import Message


class Place(NamedTuple):
    """The time tells two messages apart that had the same place in a topic that was deleted and made anew."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


def place(message: Message) -> Place:
    return Place(message.topic, message.partition, message.offset, message.timestamp_ms)
