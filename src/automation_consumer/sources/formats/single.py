"""Systems that send one thing without a list of alerts: their incident has one alert, which is the thing itself."""

from __future__ import annotations

from functools import partial

from automation_consumer.model.incident import Alert, Incident, Lazy, Tags
from automation_consumer.sources.formats import tags as tagging


def incident(
    ident: str,
    name: str,
    tags: Tags,
    *,
    status: str | None = None,
    active: bool | None = None,
    severity: str | None = None,
    host: str | None = None,
    title: str | None = None,
    description: str | None = None,
    source: str | None = None,
    environments: list[str] | None = None,
    started_at: float | None = None,
    updated_at: float | None = None,
) -> Incident:
    """An incident of the format `name` whose one alert has its id, status and tags; `host` is by default that of the tags."""
    alert = partial(
        Alert,
        id=ident,
        status=status,
        active=active,
        severity=severity,
        host=host or tagging.host(tags),
        description=description or title,
        source=source,
        started_at=started_at,
        tags=tags,
    )
    return Incident(
        id=ident,
        format=name,
        load_alerts=Lazy(lambda: (alert(),)),
        load_tags=Lazy(lambda: tags),
        alert_count=1,
        status=status,
        active=active,
        severity=severity,
        title=title,
        description=description,
        source=source,
        environments=environments,
        started_at=started_at,
        updated_at=updated_at,
    )
