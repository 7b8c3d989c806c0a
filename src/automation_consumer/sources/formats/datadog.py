"""Datadog's webhook with the recommended template, whose fields are named in the docs; a monitor's cycle is the incident.

All values of a template are texts; numbers are taken, too. Tags and scope are comma lists of `name:value`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from automation_consumer.model.incident import Incident
from automation_consumer.sources.formats import single
from automation_consumer.sources.formats.instant import instant
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import Id, identity, shape
from automation_consumer.sources.formats.tags import collect, layered, without_port

NAME = "datadog"
_BEGINNING: Final = frozenset({"Triggered", "No Data", "Warn"})


class _Webhook(msgspec.Struct, gc=False):
    cycle_key: Id = None
    monitor_id: Id = None
    transition: str | None = None
    type: str | None = None
    priority: str | None = None
    title: str | None = None
    scope: str | None = None
    host: str | None = None
    tags: str | None = None
    metric: str | None = None
    date: Id = None
    link: str | None = None
    event_id: Id = None
    description: str | None = None


def read(document: Any) -> Incident:
    """The incident of a webhook. Raises DecodeError."""
    webhook = shape(document, _Webhook)
    ident = identity(webhook.cycle_key, "cycle_key")
    if ident.startswith("$"):
        raise poison(Reason.NOT_AN_INCIDENT, f"`cycle_key` is {ident[:60]!r}: Datadog did not fill it in")
    moment = instant(webhook.date or None, "date")
    return single.incident(
        ident,
        NAME,
        _tags(webhook),
        status=webhook.transition,
        active=None if webhook.transition is None else webhook.transition != "Recovered",
        severity=webhook.type,
        host=without_port(webhook.host) if webhook.host else None,
        title=webhook.title,
        description=webhook.description,
        source=NAME,
        started_at=moment if webhook.transition in _BEGINNING else None,
        updated_at=moment,
    )


def _tags(webhook: _Webhook) -> dict[str, Any]:
    return layered(
        collect(_pairs(webhook.tags)),
        collect(_pairs(webhook.scope)),
        {
            "monitor_id": webhook.monitor_id,
            "priority": webhook.priority,
            "metric": webhook.metric,
            "link": webhook.link,
            "event_id": webhook.event_id,
        },
    )


def _pairs(listed: str | None) -> Iterator[tuple[str, str]]:
    """`a:1,b` as ("a", "1"), ("b", ""): a tag without value is there, with an empty one."""
    for item in (listed or "").split(","):
        name, _, value = item.strip().partition(":")
        if name:
            yield name, value
