"""A format written in YAML: where the fields of an incident stand in any JSON document.

    format:
      mapping:
        id: issue.key
        title: issue.fields.summary
        active: {path: issue.fields.status.name, in: [Open, In Progress]}
        severity: {path: issue.fields.priority.name, map: {High: critical, Low: info}, default: warning}
        source: {value: jira}
        started_at: issue.fields.created
        tags: {project: issue.fields.project.key, labels: issue.fields.labels}
        alerts: {path: issue.alerts, id: key, host: machine, tags: attributes}

`tags` is an object of fields, or the path of an object (or of a list of `{name, value}`) that holds them. `alerts.path`
is the list of alerts; its other fields are read from each alert. Without `alerts` the incident is its own one alert.
Times are epoch seconds, epoch milliseconds or ISO 8601.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from automation_consumer.errors import ConfigError
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS, Alert, Incident, Lazy
from automation_consumer.sources.formats import single, tags
from automation_consumer.sources.formats.instant import instant
from automation_consumer.sources.formats.paths import FieldPath, check_keys, compile_field, scalar_text
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import digest, distinct, identity, json_type

NAME = "mapping"
_INCIDENT: Final = tuple(name for name in INCIDENT_FIELDS if name != "alert_count")
_NAME_KEYS: Final = ("name", "key", "tag_id")
_VALUE_KEYS: Final = ("value", "tag_value")

_Check = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class _Part:
    """The fields of an incident or of an alert; `tags` is one field for all of them, or one for each."""

    where: str
    fields: dict[str, FieldPath]
    tags: FieldPath | dict[str, FieldPath]

    def values(self, document: Any) -> dict[str, Any]:
        """The fields by name, checked, and the tags. Raises DecodeError."""
        found: dict[str, Any] = {}
        for name, field in self.fields.items():
            check: _Check = _CHECKS.get(name, _text)
            found[name] = check(field.find(document), f"{self.where}{name}")
        return {**found, "tags": self._tags(document)}

    def _tags(self, document: Any) -> dict[str, Any]:
        if isinstance(self.tags, dict):
            return tags.collect((name, field.find(document)) for name, field in self.tags.items())
        return _tags_of(self.tags.find(document), f"{self.where}tags")


@dataclass(frozen=True, slots=True)
class Mapping:
    """A compiled mapping; calling it with a document gives the incident, or raises DecodeError."""

    incident: _Part
    alert: _Part | None
    alerts: FieldPath

    def __call__(self, document: Any) -> Incident:
        values = self.incident.values(document)
        ident = identity(values.pop("id"), "id")
        named = values.pop("tags")
        if self.alert is None:
            return single.incident(ident, NAME, named, **values)
        alerts = self._alerts(self.alert, document)
        return Incident(
            id=ident,
            format=NAME,
            load_alerts=Lazy(lambda: alerts),
            load_tags=Lazy(lambda: named),
            alert_count=len(alerts),
            **values,
        )

    def _alerts(self, part: _Part, document: Any) -> tuple[Alert, ...]:
        found = self.alerts.find(document)
        if found is None:
            return ()
        if not isinstance(found, list):
            raise poison(Reason.WRONG_TYPE, f"`alerts.path` leads to {json_type(found)}, not to an array")
        return distinct(_alert(part, each) for each in found)


def compile_mapping(spec: Any, where: str) -> Mapping:
    """The mapping that the YAML at `where` describes. Raises ConfigError with every problem found."""
    problems: list[str] = []
    spec = _object(spec, where, problems)
    check_keys(spec, (*_INCIDENT, "tags", "alerts"), where, problems)
    if "id" not in spec:
        problems.append(f"{where}: `id` is missing: where is the incident's id?")
    incident = _part(spec, _INCIDENT, where, "", problems)
    alert, path = None, FieldPath()
    if "alerts" in spec:
        place = f"{where}.alerts"
        inner = _object(spec["alerts"], place, problems)
        check_keys(inner, ("path", *ALERT_FIELDS, "tags"), place, problems)
        path = compile_field(inner.get("path"), f"{place}.path", problems)
        alert = _part(inner, ALERT_FIELDS, place, "alerts.", problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return Mapping(incident, alert, path)


def _part(
    spec: dict[str, Any], names: tuple[str, ...], where: str, prefix: str, problems: list[str]
) -> _Part:
    fields = {name: compile_field(spec[name], f"{where}.{name}", problems) for name in names if name in spec}
    written = spec.get("tags", {})
    if not isinstance(written, dict):
        return _Part(prefix, fields, compile_field(written, f"{where}.tags", problems))
    named = {
        str(name): compile_field(field, f"{where}.tags.{name}", problems) for name, field in written.items()
    }
    return _Part(prefix, fields, named)


def _object(spec: Any, where: str, problems: list[str]) -> dict[str, Any]:
    if isinstance(spec, dict):
        return spec
    problems.append(f"{where}: expected an object of fields, got {spec!r}")
    return {}


def _alert(part: _Part, document: Any) -> Alert:
    values = part.values(document)
    return Alert(
        **{
            **values,
            "id": values.get("id") or digest(document),
            "host": values.get("host") or tags.host(values["tags"]),
        }
    )


def _text(value: Any, field: str) -> str | None:
    text = scalar_text(value)
    if text is None and value is not None:
        raise poison(Reason.WRONG_TYPE, f"`{field}` leads to {json_type(value)}, not to a text or number")
    return text


def _flag(value: Any, field: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise poison(
        Reason.WRONG_TYPE, f"`{field}` leads to {json_type(value)}, not to a boolean (use `equals` or `map`)"
    )


def _texts(value: Any, field: str) -> list[str] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    return [text for each in values if (text := _text(each, field)) is not None]


def _tags_of(value: Any, field: str) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return tags.collect(value.items())
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return tags.collect(
            (_text(_first(item, _NAME_KEYS), field), _first(item, _VALUE_KEYS)) for item in value
        )
    raise poison(Reason.WRONG_TYPE, f"`{field}` leads to {json_type(value)}, not to an object of tags")


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


_CHECKS: Final[dict[str, _Check]] = {
    "active": _flag,
    "environments": _texts,
    "started_at": instant,
    "updated_at": instant,
}
