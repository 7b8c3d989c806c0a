"""What a message that could not be handled looks like on the dead-letter topic.

Value, key and headers are kept byte for byte; the context is added as headers, by the names that Kafka Connect
uses (`__connect.errors.*`, which tools know) and by our own (`automation.*`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from automation_consumer.clock import iso
from automation_consumer.model.message import Headers, Message

MAX_RECORD_BYTES: Final = 1_000_000
"""What brokers and producers take unless they are told otherwise."""

_CONNECT: Final = "__connect.errors."
_OVERHEAD_BYTES: Final = 1_000  # of the batch, and the marks below
_HEADER_BYTES: Final = 10  # lengths before name and value
_MAX_DETAIL: Final = 4_000  # characters


class Record(msgspec.Struct, frozen=True):
    """A record to produce. The topic is the producer's matter."""

    value: bytes | None
    key: bytes | None
    headers: Headers


def dead_letter(
    message: Message, reason: str, detail: str, at: float, *, max_bytes: int = MAX_RECORD_BYTES
) -> Record:
    """The record for a message that failed `at` (epoch seconds). `reason` is a short code, `detail` a sentence.

    What is larger than `max_bytes` would be refused by the broker and lost, so it is cut: the original headers are
    left out (`automation.headers_dropped`: how many), then the key (`automation.key_truncated`: its size), then the
    value (`automation.truncated`: its size).
    """
    context = _context(message, reason, detail, at)
    room = max_bytes - _OVERHEAD_BYTES - _size(context)
    marks: list[tuple[str, bytes | None]] = []

    headers = message.headers
    if (
        _size(headers) > room // 2
        and _size(headers) + len(message.key or b"") + len(message.value or b"") > room
    ):
        marks.append(("automation.headers_dropped", _encode(str(len(headers)))))
        headers = ()
    room -= _size(headers)

    key = message.key
    if key is not None and len(key) > room // 2 and len(key) + len(message.value or b"") > room:
        marks.append(("automation.key_truncated", _encode(str(len(key)))))
        key = key[: max(0, room // 2)]
    room -= len(key or b"")

    value = message.value
    if value is not None and len(value) > room:
        marks.append(("automation.truncated", _encode(str(len(value)))))
        value = value[: max(0, room)]
    return Record(value, key, (*headers, *context, *marks))


def _context(message: Message, reason: str, detail: str, at: float) -> Headers:
    detail = detail[:_MAX_DETAIL]
    connect = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "exception.message": f"{reason}: {detail}",
    }
    taken = {name for name, _ in message.headers}
    # As Connect does it: what an earlier failure wrote stays. Ours are added, and the last one of a name counts.
    kept = [
        (_CONNECT + name, _encode(text)) for name, text in connect.items() if _CONNECT + name not in taken
    ]
    ours = {"automation.reason": reason, "automation.detail": detail, "automation.at": iso(at)}
    return (*kept, *((name, _encode(text)) for name, text in ours.items()))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _size(headers: Headers) -> int:
    # The name as the producer writes it: it may have characters of several bytes.
    return sum(len(_encode(name)) + len(value or b"") + _HEADER_BYTES for name, value in headers)
