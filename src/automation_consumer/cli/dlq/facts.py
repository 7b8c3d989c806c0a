"""A dead letter as JSON output shows it."""

from __future__ import annotations

from typing import Any

from automation_consumer.sources.kafka.dead_letters import DeadLetter


def facts(letter: DeadLetter) -> dict[str, Any]:
    """What is known of a letter, without its value and headers."""
    return {
        "id": str(letter.id),
        "at": letter.at,
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp": letter.timestamp or None,
        "group": letter.group or None,
        "config_version": letter.config_version or None,
        "key": readable(letter.key),
        "bytes": None if letter.value is None else len(letter.value),
        "cut": list(letter.cut),
        "requeues": letter.requeues,
    }


def readable(raw: bytes | None) -> str | None:
    """Bytes as text; what is no UTF-8 as `hex:` and its digits. None stays None."""
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"hex:{raw.hex()}"
