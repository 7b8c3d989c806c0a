"""PagerDuty's webhooks v3: events about an incident. They carry no alert details, so the incident is its own alert."""

from __future__ import annotations

from typing import Any

import msgspec

from automation_consumer.model.incident import Incident
from automation_consumer.sources.formats import single
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import Id, Moment, identity, seconds, shape
from automation_consumer.sources.formats.tags import layered

NAME = "pagerduty"


class _Reference(msgspec.Struct, gc=False):
    id: str | None = None
    summary: str | None = None


class _Data(msgspec.Struct, gc=False):
    id: Id = None
    html_url: str | None = None
    number: int | None = None
    status: str | None = None
    incident_key: str | None = None
    created_at: Moment = None
    title: str | None = None
    service: _Reference | None = None
    assignees: list[_Reference] | None = None
    escalation_policy: _Reference | None = None
    teams: list[_Reference] | None = None
    priority: _Reference | None = None
    urgency: str | None = None
    resolve_reason: Any = None


class _Event(msgspec.Struct, gc=False):
    event_type: str | None = None
    occurred_at: Moment = None
    data: dict[str, Any] | None = None


class _Envelope(msgspec.Struct, gc=False):
    event: _Event | None = None


def read(document: Any) -> Incident:
    """The incident of an event. Raises DecodeError, also for events about something else (`pagey.ping`)."""
    event = shape(document, _Envelope).event
    if event is None:
        raise poison(Reason.NOT_AN_INCIDENT, "there is no `event`: this is no PagerDuty webhook")
    payload = event.data or {}
    if payload.get("type") != "incident":
        what = f"event {event.event_type!r} with data of type {payload.get('type')!r}"[:200]
        raise poison(Reason.NOT_AN_INCIDENT, f"{what} is sound, but does not carry an incident")
    data = shape(payload, _Data, ".event.data")
    return single.incident(
        identity(data.id, "event.data.id"),
        NAME,
        _tags(data, event),
        status=data.status,
        active=None if data.status is None else data.status != "resolved",
        severity=data.urgency,
        title=data.title,
        source=data.service.summary if data.service else None,
        started_at=seconds(data.created_at),
        updated_at=seconds(event.occurred_at),
    )


def _tags(data: _Data, event: _Event) -> dict[str, Any]:
    return layered(
        {
            "event_type": event.event_type,
            "number": data.number,
            "incident_key": data.incident_key,
            "urgency": data.urgency,
            "priority": data.priority.summary if data.priority else None,
            "service": data.service.summary if data.service else None,
            "service_id": data.service.id if data.service else None,
            "escalation_policy": data.escalation_policy.summary if data.escalation_policy else None,
            "teams": _summaries(data.teams),
            "assignees": _summaries(data.assignees),
            "url": data.html_url,
        }
    )


def _summaries(references: list[_Reference] | None) -> list[str] | None:
    return [each.summary for each in references if each.summary] if references else None
