"""Opsgenie's outgoing webhook: an action on one alert. Details are tags; `updatedAt` has no documented unit and is not read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from automation_consumer.model.incident import Incident
from automation_consumer.sources.formats import single
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import Id, Milliseconds, identity, shape
from automation_consumer.sources.formats.tags import host, layered, text, without_port

NAME = "opsgenie"
_ENDING: Final = frozenset({"Close", "Delete"})


class _Alert(msgspec.Struct, gc=False):
    alertId: Id = None  # noqa: N815 - Opsgenie's name
    message: str | None = None
    tags: list[str] | None = None
    tinyId: Id = None  # noqa: N815 - Opsgenie's name
    entity: str | None = None
    alias: str | None = None
    createdAt: Milliseconds | None = None  # noqa: N815 - Opsgenie's name
    teams: list[str] | None = None
    source: str | None = None
    priority: str | None = None
    description: str | None = None
    details: dict[str, Any] | None = None


class _Webhook(msgspec.Struct, gc=False):
    action: str | None = None
    alert: _Alert | None = None


def read(document: Any) -> Incident:
    """The incident of a webhook. Raises DecodeError."""
    webhook = shape(document, _Webhook)
    alert = webhook.alert
    if alert is None:
        raise poison(
            Reason.NOT_AN_INCIDENT, "there is no `alert`: this is no Opsgenie webhook about an alert"
        )
    active = webhook.action not in _ENDING
    details = alert.details or {}
    return single.incident(
        identity(alert.alertId, "alert.alertId"),
        NAME,
        _tags(alert, webhook.action),
        status="open" if active else "closed",
        active=active,
        severity=text(details, "severity") or alert.priority,
        host=host(details) or (without_port(alert.entity) if alert.entity else None),
        title=alert.message,
        description=alert.description,
        source=alert.source,
        started_at=None if alert.createdAt is None else alert.createdAt / 1000,
    )


def _tags(alert: _Alert, action: str | None) -> dict[str, Any]:
    return layered(
        alert.details,
        {
            "tags": alert.tags,
            "action": action,
            "priority": alert.priority,
            "alias": alert.alias,
            "entity": alert.entity or None,
            "tinyId": alert.tinyId,
            "teams": alert.teams,
        },
    )
