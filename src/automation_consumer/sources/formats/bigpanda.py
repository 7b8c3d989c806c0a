"""BigPanda: the incident of the notifications webhook (camelCase) and of the Incidents API v2 (snake_case).

The incident is bare or under `incident`. BigPanda's incidents have no title and no source of their own: where the
message has none, they are those of the first alert. What the shape of an alert leaves open is read tolerantly.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

import msgspec

from automation_consumer.model.incident import Alert, Incident, Lazy, Tags
from automation_consumer.sources.formats import tags
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import Id, Moment, digest, distinct, identity, seconds, shape

NAME = "bigpanda"
_OBJECTS: Final = frozenset({dict})


_Tags = list[Any] | dict[str, Any] | None


_TEXTS = frozenset({str})


class _Alert(msgspec.Struct, gc=False):
    """Fields in the order in which they are usually sent: msgspec finds them faster then."""

    id: Id = None
    status: str | None = None
    active: bool | None = None
    severity: str | None = None
    startedOn: Moment = None  # noqa: N815 - BigPanda's name
    description: str | None = None
    sourceSystem: str | None = None  # noqa: N815 - BigPanda's name
    tags: _Tags = None
    alert_id: Id = None
    started_at: Moment = None
    start: Moment = None
    source_system: str | None = None


class _Incident(msgspec.Struct, gc=False):
    id: Id = None
    status: str | None = None
    active: bool | None = None
    resolved: bool | None = None
    severity: str | None = None
    startedOn: Moment = None  # noqa: N815 - BigPanda's name
    updatedOn: Moment = None  # noqa: N815 - BigPanda's name
    environments: list[str] | None = None
    incidentTags: _Tags = None  # noqa: N815 - BigPanda's name
    alerts: list[_Alert] | None = None
    start: Moment = None
    updated_at: Moment = None
    incident_tags: _Tags = None
    title: str | None = None
    description: str | None = None
    source: str | None = None


def read(document: Any) -> Incident:
    """The incident of a document. Raises DecodeError."""
    if isinstance(document, dict) and "incident" in document and "id" not in document:
        raw = shape(document["incident"], _Incident, ".incident")
    else:
        raw = shape(document, _Incident)
    alerts = raw.alerts or []
    own_tags = raw.incidentTags or raw.incident_tags
    _check_tags(alerts, own_tags)
    title, source = raw.title, raw.source
    if alerts:
        first = alerts[0]
        title = title or first.description
        source = source or first.sourceSystem or first.source_system
    started, updated = raw.startedOn, raw.updatedOn
    return Incident(
        identity(raw.id, "id"),
        NAME,
        Lazy(_alerts, alerts),
        Lazy(_tags, own_tags),
        len(alerts),
        raw.status,
        raw.active if raw.active is not None else _active(raw),
        raw.severity,
        title,
        raw.description,
        source,
        raw.environments,
        started if type(started) is float else _first(started, raw.start),
        updated if type(updated) is float else _first(updated, raw.updated_at),
    )


def _check_tags(alerts: list[_Alert], own_tags: _Tags) -> None:
    """Raise DecodeError unless every item of a list of tags is an object. Done at once, and in C, as most pass."""
    listed = [alert.tags for alert in alerts if alert.tags.__class__ is list]
    if own_tags.__class__ is list:
        listed.append(own_tags)
    if not _OBJECTS.issuperset(map(type, chain.from_iterable(listed))):
        raise poison(Reason.WRONG_TYPE, f"Expected `object` for each tag - at `{_misshapen(alerts)}`")


def _misshapen(alerts: list[_Alert]) -> str:
    """The path of the first list of tags with an item that is no object."""
    for index, alert in enumerate(alerts):
        if isinstance(alert.tags, list) and not all(isinstance(tag, dict) for tag in alert.tags):
            return f"$.alerts[{index}].tags"
    return "$.incidentTags"


def _active(raw: _Incident) -> bool | None:
    """Whether the incident is active, where it does not say so itself."""
    if raw.resolved is not None:
        return not raw.resolved
    return None if raw.status is None else raw.status != "ok"


def _first(*moments: Moment) -> float | None:
    """The first time that is there, in epoch seconds."""
    return next((seconds(moment) for moment in moments if moment is not None), None)


def _alerts(raw: list[_Alert]) -> tuple[Alert, ...]:
    return distinct(map(_alert, raw))


def _alert(raw: _Alert) -> Alert:
    named = _tags(raw.tags)
    ident = raw.id if raw.id not in (None, "") else raw.alert_id
    source = raw.sourceSystem or raw.source_system
    return Alert(
        id=str(ident) if ident not in (None, "") else f"bp-{digest([source, named])}",
        status=raw.status,
        active=raw.active if raw.active is not None or raw.status is None else raw.status != "ok",
        severity=raw.severity or tags.text(named, "severity"),
        host=tags.host(named),
        description=raw.description or tags.text(named, "description"),
        source=source,
        started_at=_first(raw.startedOn, raw.started_at, raw.start),
        tags=named,
    )


def _tags(raw: _Tags) -> Tags:
    """The tags, by either of the two shapes' names. A tag whose name is not a text is left out."""
    if isinstance(raw, dict):
        return tags.collect(raw.items())
    try:  # as it is nearly always: names and values, each name once, and then a dict is made in one go
        named = {tag["name"]: tag["value"] for tag in raw or ()}
    except (KeyError, TypeError):
        named = {}
    if len(named) == len(raw or ()) and None not in named.values() and _TEXTS.issuperset(map(type, named)):
        return named
    return tags.collect(
        (tag["name"], tag.get("value")) if "name" in tag else (tag.get("tag_id"), tag.get("tag_value"))
        for tag in raw or ()
    )
