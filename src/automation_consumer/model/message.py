"""A message as it came from Kafka."""

from __future__ import annotations

import msgspec

Headers = tuple[tuple[str, bytes | None], ...]


class Message(msgspec.Struct, frozen=True, gc=False):
    """One Kafka record. `value` is the raw bytes, None for a tombstone; `timestamp_ms` is the broker's."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int = 0

    @property
    def place(self) -> str:
        """Where it was, as people write it: `topic[partition]@offset`."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    def header(self, name: str) -> str | None:
        """The last header of that name (case-insensitive) as text; None when absent or not UTF-8."""
        found = None
        for key, value in self.headers:
            if value is not None and key.lower() == name:
                found = value
        if found is None:
            return None
        try:
            return found.decode()
        except UnicodeDecodeError:
            return None
