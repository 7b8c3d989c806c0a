"""What a format is, and the format of every message that is one JSON document with one incident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from automation_consumer.model.incident import Incident
from automation_consumer.model.message import Message
from automation_consumer.sources.formats.document import parse

Reader = Callable[[Any], Incident]
"""Makes the incident of a parsed document; raises DecodeError, and nothing else."""


class Format(Protocol):
    """How a message becomes incidents."""

    def decode(self, message: Message) -> tuple[Incident, ...]:
        """The incidents of the message, at least one, no two with one id. Raises DecodeError. Does not block."""


class DocumentFormat:
    """A message whose value is one JSON document that holds one incident."""

    __slots__ = ("_max_bytes", "_read")

    def __init__(self, read: Reader, max_bytes: int) -> None:
        self._read = read
        self._max_bytes = max_bytes

    def decode(self, message: Message) -> tuple[Incident, ...]:
        """The one incident of the message. Raises DecodeError."""
        return (self._read(parse(message.value, self._max_bytes)),)
