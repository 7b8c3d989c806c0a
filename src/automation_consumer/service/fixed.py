"""What of a configuration stays as it is while the process runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from automation_consumer.config.settings import TopLevel

KeyPath = tuple[str, ...]

LIVE: Final[frozenset[KeyPath]] = frozenset(
    {
        ("version",),
        ("connections",),
        ("vars",),
        ("actions",),
        ("incident_conditions",),
        ("store_retention",),
        ("limits", "max_age"),
        ("service", "drain_timeout"),
        ("service", "stall_after"),
        ("service", "log_format"),
        ("service", "log_level"),
    }
)
"""What is asked for anew each time it is used. Everything else is built into the process when it starts."""


def changed_for_good(running: TopLevel, wanted: TopLevel) -> list[KeyPath]:
    """The keys that differ and cannot change before a restart, as `("kafka", "topics")`."""
    return [
        path
        for name in TopLevel.model_fields
        for path in _differences((name,), getattr(running, name), getattr(wanted, name))
        if path not in LIVE
    ]


def _differences(path: KeyPath, one: Any, other: Any) -> Iterator[KeyPath]:
    if one == other:
        return
    if not isinstance(one, BaseModel) or not isinstance(other, BaseModel):
        yield path
        return
    before, after = one.model_dump(by_alias=True), other.model_dump(by_alias=True)
    for key in {**before, **after}:
        if before.get(key) != after.get(key) or (key in before) != (key in after):
            yield (*path, key)
