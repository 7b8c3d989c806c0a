"""Ready incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automation_consumer.model.incident import Alert, Incident, Lazy, Tags


def an_alert(alert_id: str = "a1", *, tags: Mapping[str, Any] | None = None, **fields: Any) -> Alert:
    """A critical, active alert on web1; any field may be given."""
    defaults: dict[str, Any] = {
        "status": "critical",
        "active": True,
        "severity": "critical",
        "host": "web1",
        "description": "disk 95 % full",
    }
    return Alert(alert_id, **{**defaults, **fields}, tags={"host": "web1", "check": "disk", **(tags or {})})


def an_incident(
    incident_id: str = "INC-1",
    *,
    alerts: Sequence[Alert] | None = None,
    tags: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Incident:
    """A critical, active incident with one alert; any field may be given."""
    held = tuple(alerts) if alerts is not None else (an_alert(),)
    own: Tags = dict(tags or {})
    defaults: dict[str, Any] = {
        "status": "critical",
        "active": True,
        "severity": "critical",
        "title": "disk full",
    }
    return Incident(
        incident_id,
        "test",
        load_alerts=Lazy(lambda: held),
        load_tags=Lazy(lambda: own),
        alert_count=len(held),
        **{**defaults, **fields},
    )
