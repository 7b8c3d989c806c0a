"""What a message that could not be handled looks like on the dead-letter topic, written and read.

Value, key and headers are kept byte for byte; the context is added as headers, by the names that Kafka Connect
uses (`__connect.errors.*`, which tools know) and by our own (`automation.*`). Where a message had Connect's names
already, from an earlier failure elsewhere, they stay; our own always tell of this failure.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from automation_consumer.clock import iso
from automation_consumer.model.message import Headers, Message

MAX_RECORD_BYTES: Final = 1_000_000
"""What brokers and producers take unless they are told otherwise."""

REQUEUED: Final = "automation.requeued"
"""Header of a mark: a record on the dead-letter topic that says of a letter that it was requeued. Its value is the id."""
REQUEUED_FROM: Final = "automation.requeued_from"
"""Header of a requeued message: the place of its dead letter."""
REQUEUE_COUNT: Final = "automation.requeue_count"
"""Header of a requeued message: how often it has been requeued."""

CUTS: Final = ("automation.headers_dropped", "automation.key_truncated", "automation.truncated")
"""Headers that say what of the message was left out, and how much there was of it."""

_CONNECT: Final = "__connect.errors."
_ORIGINALS: Final = "automation.headers"  # how many of the headers were the message's own; they stand first
_OVERHEAD_BYTES: Final = 1_000  # of the batch, and the marks below
_HEADER_BYTES: Final = 10  # lengths before name and value
_MAX_DETAIL: Final = 4_000  # characters
_ID: Final = re.compile(r"(0|[1-9]\d{0,8}):(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)


class Record(msgspec.Struct, frozen=True):
    """A record to produce. The topic is the producer's matter."""

    value: bytes | None
    key: bytes | None
    headers: Headers


class Failure(msgspec.Struct, frozen=True):
    """Why a message is given up, and who says so. `reason` is a short code, `detail` a sentence, `at` epoch seconds."""

    reason: str
    detail: str
    at: float
    group: str = ""  # the consumer group
    config_version: str = ""


class LetterId(msgspec.Struct, frozen=True, order=True):
    """Where a dead letter stands on its topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> LetterId | None:
        """The id that is written so; None when none is."""
        found = _ID.fullmatch(text)
        return None if found is None else cls(int(found[1]), int(found[2]))


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter as it was read. What its headers don't say is empty or None."""

    id: LetterId
    reason: str
    detail: str
    at: str  # when it failed, ISO 8601; of a letter that does not say, when it was written
    group: str
    config_version: str
    topic: str | None  # where the message was
    partition: int | None
    offset: int | None
    timestamp: str  # of the message, ISO 8601
    requeues: int  # how often it had been requeued before it failed this time
    cut: tuple[str, ...]  # what was left out of it: those of CUTS that it has
    value: bytes | None
    key: bytes | None
    headers: Headers  # the message's own
    written_ms: int  # when the letter was written, milliseconds since the epoch

    @property
    def place(self) -> str:
        """Where the message was, as people write it."""
        return f"{self.topic or '?'}[{_or_unknown(self.partition)}]@{_or_unknown(self.offset)}"


class RequeueMark(msgspec.Struct, frozen=True):
    """A record that says that a letter of the same partition was requeued."""

    letter: LetterId
    at: str


def dead_letter(message: Message, failure: Failure, *, max_bytes: int = MAX_RECORD_BYTES) -> Record:
    """The record for a message that failed.

    What is larger than `max_bytes` would be refused by the broker and lost, so it is cut: the original headers are
    left out (`automation.headers_dropped`: how many), then the key (`automation.key_truncated`: its size), then the
    value (`automation.truncated`: its size).
    """
    context = _context(message, failure)
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
    count = (_ORIGINALS, _encode(str(len(headers))))
    return Record(value, key, (*headers, *context, *marks, count))


def requeue_mark(letter: LetterId, at: float) -> Record:
    """The record that says that a letter was requeued. It goes to the letter's own partition."""
    return Record(None, None, ((REQUEUED, _encode(str(letter))), ("automation.at", _encode(iso(at)))))


def requeued(letter: DeadLetter, topic: str) -> Record:
    """The message of a letter from `topic`, as it came, with the two headers that tell where it has been."""
    kept = tuple(header for header in letter.headers if header[0] not in (REQUEUED_FROM, REQUEUE_COUNT))
    place = f"{topic}[{letter.id.partition}]@{letter.id.offset}"
    ours = ((REQUEUED_FROM, _encode(place)), (REQUEUE_COUNT, _encode(str(letter.requeues + 1))))
    return Record(letter.value, letter.key, (*kept, *ours))


def read(record: Message) -> DeadLetter | RequeueMark:
    """What a record of the dead-letter topic is. Never raises: what others wrote there is a letter that says little."""
    originals, said = _split(record.headers)
    if "automation.reason" not in said:
        letter = LetterId.parse(said.get(REQUEUED, ""))
        if letter is not None and record.value is None:
            return RequeueMark(letter, said.get("automation.at", ""))
    message = said.get("__connect.errors.exception.message", "")

    def place(name: str) -> str:
        return said.get(f"automation.{name}") or said.get(_CONNECT + name) or ""

    return DeadLetter(
        id=LetterId(record.partition, record.offset),
        reason=said.get("automation.reason", ""),
        detail=said.get("automation.detail", message),
        at=said.get("automation.at") or _instant(record.timestamp_ms),
        group=said.get("automation.group", ""),
        config_version=said.get("automation.config_version", ""),
        topic=place("topic") or None,
        partition=_number(place("partition")),
        offset=_number(place("offset")),
        timestamp=said.get("automation.timestamp", ""),
        requeues=_number(dict(_texts(originals)).get(REQUEUE_COUNT, "")) or 0,
        cut=tuple(name for name in CUTS if name in said),
        value=record.value,
        key=record.key,
        headers=originals,
        written_ms=record.timestamp_ms,
    )


def _split(headers: Headers) -> tuple[Headers, dict[str, str]]:
    """The message's own headers, and what was said of its failure; the last one of a name counts."""
    texts = _texts(headers)
    written = [_number(text) for name, text in texts if name == _ORIGINALS]
    if written and written[-1] is not None and written[-1] < len(headers):
        return headers[: written[-1]], dict(texts[written[-1] :])
    # Another program's letter, or one of an older version: what is ours is known by its name only.
    own = tuple(header for header in headers if not header[0].startswith((_CONNECT, "automation.")))
    return own, dict(texts)


def _texts(headers: Headers) -> list[tuple[str, str]]:
    return [(name, (value or b"").decode("utf-8", "backslashreplace")) for name, value in headers]


def _context(message: Message, failure: Failure) -> Headers:
    detail = failure.detail[:_MAX_DETAIL]
    place = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
    }
    connect = {**place, "exception.message": f"{failure.reason}: {detail}"}
    taken = {name for name, _ in message.headers}
    # As Connect does it: what an earlier failure wrote stays. Ours are added, and the last one of a name counts.
    kept = [
        (_CONNECT + name, _encode(text)) for name, text in connect.items() if _CONNECT + name not in taken
    ]
    ours = {
        "reason": failure.reason,
        "detail": detail,
        "at": iso(failure.at),
        "group": failure.group,
        "config_version": failure.config_version,
        **place,
        # Not as the letter's own timestamp: a topic that deletes by age would drop an old message at once.
        "timestamp": _instant(message.timestamp_ms),
    }
    return (*kept, *((f"automation.{name}", _encode(text)) for name, text in ours.items() if text))


def _instant(milliseconds: int) -> str:
    """'' for the times that say nothing: none, and those that no calendar has."""
    try:
        return iso(milliseconds / 1000) if milliseconds > 0 else ""
    except (ValueError, OverflowError, OSError):
        return ""


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _size(headers: Headers) -> int:
    # The name as the producer writes it: it may have characters of several bytes.
    return sum(len(_encode(name)) + len(value or b"") + _HEADER_BYTES for name, value in headers)
