"""Rootly's webhooks: `alert.created` and the `incident.*` events. Each is an incident with itself as its one alert."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from automation_consumer.model.incident import Incident
from automation_consumer.sources.formats import single
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import Id, Moment, identity, seconds, shape
from automation_consumer.sources.formats.tags import collect, layered, text

NAME = "rootly"
_ENDED: Final = frozenset({"resolved", "closed", "cancelled", "completed", "deleted"})


class _Label(msgspec.Struct, gc=False):
    key: str | None = None
    value: Any = None


class _Data(msgspec.Struct, gc=False):
    """An alert or an incident; an alert has no title, its summary is its headline."""

    id: Id = None
    source: str | None = None
    title: str | None = None
    summary: str | None = None
    description: str | None = None
    status: str | None = None
    severity: Any = None
    labels: list[_Label] | dict[str, Any] | None = None
    data: Any = None
    environments: Any = None
    external_id: Id = None
    external_url: str | None = None
    url: str | None = None
    started_at: Moment = None
    ended_at: Moment = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    issued_at: Moment = None


class _Webhook(msgspec.Struct, gc=False):
    event: _Event | None = None
    data: dict[str, Any] | None = None


def read(document: Any) -> Incident:
    """The incident of an event. Raises DecodeError, also for events about something else."""
    webhook = shape(document, _Webhook)
    event = webhook.event
    if event is None or event.type is None or webhook.data is None:
        raise poison(
            Reason.NOT_AN_INCIDENT, "there is no `event.type` with `data`: this is no Rootly webhook"
        )
    if event.type != "alert.created" and not event.type.startswith("incident."):
        what = f"event {event.type!r}"[:200]
        raise poison(
            Reason.NOT_AN_INCIDENT, f"{what} is sound, but is about neither an alert nor an incident"
        )
    data = shape(webhook.data, _Data, ".data")
    tags = _tags(data, event.type)
    return single.incident(
        identity(data.id, "data.id"),
        NAME,
        tags,
        status=data.status,
        active=_active(data, event.type),
        severity=_name(data.severity) or text(tags, "severity"),
        title=data.title or data.summary,
        description=data.description or (data.summary if data.title else None),
        source=data.source or NAME,
        environments=_names(data.environments),
        started_at=seconds(data.started_at),
        updated_at=seconds(event.issued_at),
    )


def _active(data: _Data, event_type: str) -> bool:
    if data.status is not None:
        return data.status not in _ENDED
    return data.ended_at is None and event_type.rpartition(".")[2] not in _ENDED


def _tags(data: _Data, event_type: str) -> dict[str, Any]:
    if isinstance(data.labels, dict):
        labels = collect(data.labels.items())
    else:
        labels = collect((label.key, label.value) for label in data.labels or ())
    return layered(
        labels,
        data.data if isinstance(data.data, dict) else None,
        {
            "event_type": event_type,
            "external_id": data.external_id,
            "external_url": data.external_url,
            "url": data.url,
        },
    )


def _name(value: Any) -> str | None:
    """The name of something that is written as a name or as an object with one."""
    if isinstance(value, dict):
        value = value.get("name")
    return value if isinstance(value, str) and value else None


def _names(values: Any) -> list[str] | None:
    if not isinstance(values, list):
        return None
    return [name for value in values if (name := _name(value))]
