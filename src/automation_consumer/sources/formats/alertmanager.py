"""Prometheus Alertmanager's webhook (version 4): one group is one incident, one alert instance one alert.

The group's key has quotes and braces, so the incident's id is `am-` and a digest of it. Tags are the labels, then
the annotations and the alert's links under their own names, where no label has the name already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from automation_consumer.model.incident import Alert, Incident, Lazy, Tags
from automation_consumer.sources.formats import tags
from automation_consumer.sources.formats.shape import digest, distinct, identity, seconds, shape

NAME = "alertmanager"
FIRING: Final = "firing"
_SEVERITIES: Final = (
    "none",
    "info",
    "low",
    "minor",
    "medium",
    "warning",
    "high",
    "major",
    "error",
    "critical",
)


class AlertShape(msgspec.Struct, gc=False):
    """One alert instance. The fields after `fingerprint` are Grafana's."""

    status: str | None = None
    labels: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    startsAt: datetime | None = None  # noqa: N815 - Alertmanager's name
    generatorURL: str | None = None  # noqa: N815 - Alertmanager's name
    fingerprint: str | None = None
    silenceURL: str | None = None  # noqa: N815 - Grafana's name
    dashboardURL: str | None = None  # noqa: N815 - Grafana's name
    panelURL: str | None = None  # noqa: N815 - Grafana's name
    ruleUID: str | None = None  # noqa: N815 - Grafana's name
    values: dict[str, Any] | None = None
    valueString: str | None = None  # noqa: N815 - Grafana's name


class GroupShape(msgspec.Struct, gc=False):
    """A notification: the alerts of one group. `title`, `message` and `orgId` are Grafana's."""

    receiver: str | None = None
    status: str | None = None
    alerts: list[AlertShape] | None = None
    groupLabels: dict[str, Any] | None = None  # noqa: N815 - Alertmanager's name
    commonLabels: dict[str, Any] | None = None  # noqa: N815 - Alertmanager's name
    commonAnnotations: dict[str, Any] | None = None  # noqa: N815 - Alertmanager's name
    externalURL: str | None = None  # noqa: N815 - Alertmanager's name
    groupKey: str | None = None  # noqa: N815 - Alertmanager's name
    title: str | None = None
    message: str | None = None
    orgId: int | None = None  # noqa: N815 - Grafana's name


def read(document: Any) -> Incident:
    """The incident of a notification. Raises DecodeError."""
    group = shape(document, GroupShape)
    return incident(group, NAME, f"am-{digest(identity(group.groupKey, 'groupKey'))}")


def incident(group: GroupShape, name: str, ident: str) -> Incident:
    """The group as an incident of the format `name`; Grafana's groups are the same with more fields."""
    alerts = group.alerts or []
    labels = tags.layered(group.commonLabels, group.groupLabels)
    annotations = group.commonAnnotations or {}
    started = [seconds(alert.startsAt) for alert in alerts]
    return Incident(
        id=ident,
        format=name,
        load_alerts=Lazy(_alerts, alerts, name),
        load_tags=Lazy(_group_tags, group),
        alert_count=len(alerts),
        status=group.status,
        active=None if group.status is None else group.status == FIRING,
        severity=tags.text(labels, "severity") or _worst(alerts),
        title=group.title or tags.text(annotations, "summary") or tags.text(labels, "alertname"),
        description=tags.text(annotations, "description") or group.message,
        source=name,
        started_at=min((moment for moment in started if moment is not None), default=None),
    )


def _worst(alerts: Iterable[AlertShape]) -> str | None:
    """The worst severity among the alerts' labels; names that are not known are the least."""
    named = [text for alert in alerts if (text := tags.text(alert.labels or {}, "severity"))]
    return max(named, key=_rank, default=None)


def _rank(severity: str) -> int:
    lowered = severity.lower()
    return _SEVERITIES.index(lowered) if lowered in _SEVERITIES else -1


def _group_tags(group: GroupShape) -> Tags:
    links = {"receiver": group.receiver, "externalURL": group.externalURL}
    return tags.layered(group.commonLabels, group.groupLabels, group.commonAnnotations, links)


def _alerts(alerts: list[AlertShape], name: str) -> tuple[Alert, ...]:
    return distinct(_alert(raw, name) for raw in alerts)


def _alert(raw: AlertShape, name: str) -> Alert:
    labels, annotations = raw.labels or {}, raw.annotations or {}
    return Alert(
        id=raw.fingerprint or digest(labels),
        status=raw.status,
        active=None if raw.status is None else raw.status == FIRING,
        severity=tags.text(labels, "severity"),
        host=tags.host(labels),
        description=tags.text(annotations, "description", "summary"),
        source=name,
        started_at=seconds(raw.startsAt),
        tags=tags.layered(labels, annotations, _links(raw)),
    )


def _links(raw: AlertShape) -> dict[str, Any]:
    """What an alert says besides labels and annotations; what is empty is left out."""
    named = {
        "generatorURL": raw.generatorURL,
        "silenceURL": raw.silenceURL,
        "dashboardURL": raw.dashboardURL,
        "panelURL": raw.panelURL,
        "ruleUID": raw.ruleUID,
        "values": raw.values,
        "valueString": raw.valueString,
    }
    return {name: value for name, value in named.items() if value}
