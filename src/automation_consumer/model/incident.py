"""An incident and its alerts, whatever system they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

Tags = Mapping[str, Any]

INCIDENT_FIELDS: Final = (
    "id",
    "status",
    "active",
    "severity",
    "title",
    "description",
    "source",
    "environments",
    "started_at",
    "updated_at",
    "alert_count",
)
ALERT_FIELDS: Final = ("id", "status", "active", "severity", "host", "description", "source", "started_at")


class Alert(msgspec.Struct, frozen=True):
    """One alert of an incident. Times are seconds since the epoch (UTC); None means absent."""

    id: str
    status: str | None = None
    active: bool | None = None
    severity: str | None = None
    host: str | None = None
    description: str | None = None
    source: str | None = None
    started_at: float | None = None
    tags: Tags = msgspec.field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The fields of `ALERT_FIELDS` by name, without the tags."""
        return {name: getattr(self, name) for name in ALERT_FIELDS}

    def as_dict(self) -> dict[str, Any]:
        """Plain data: what templates, `explain` and the journal see."""
        return {**self.fields(), "tags": dict(self.tags)}


T = TypeVar("T")


class Lazy(Generic[T]):
    """A value that is made when it is first asked for; most incidents match nothing and need no alerts."""

    __slots__ = ("_args", "_make", "_value")

    def __init__(self, make: Callable[..., T], *args: Any) -> None:
        self._make: Callable[..., T] | None = make
        self._args = args

    def __call__(self) -> T:
        if self._make is not None:
            self._value: T = self._make(*self._args)
            self._make = None
            self._args = ()
        return self._value


class Incident(msgspec.Struct, frozen=True):
    """One incident as of one message. Times are seconds since the epoch (UTC); None means absent.

    `load_alerts` makes the alerts on first use; a format checks their shape before, so it cannot fail.
    """

    id: str
    format: str
    load_alerts: Lazy[tuple[Alert, ...]]
    load_tags: Lazy[Tags]
    alert_count: int = 0
    status: str | None = None
    active: bool | None = None
    severity: str | None = None
    title: str | None = None
    description: str | None = None
    source: str | None = None
    environments: list[str] | None = None
    started_at: float | None = None
    updated_at: float | None = None

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.load_alerts()

    @property
    def tags(self) -> Tags:
        return self.load_tags()

    def fields(self) -> dict[str, Any]:
        """The fields of `INCIDENT_FIELDS` by name, without tags and alerts."""
        return {name: getattr(self, name) for name in INCIDENT_FIELDS}

    def as_dict(self) -> dict[str, Any]:
        """Plain data: what templates, `explain` and the journal see."""
        return {
            **self.fields(),
            "tags": dict(self.tags),
            "alerts": [alert.as_dict() for alert in self.alerts],
        }
