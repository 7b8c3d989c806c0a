"""The format that is written in YAML."""

from typing import Any

import pytest
import yaml
from tests.unit.sources.formats.messages import MAX_BYTES, decode, sample

from automation_consumer.errors import ConfigError, DecodeError
from automation_consumer.sources.formats import build_format

JIRA = yaml.safe_load("""
mapping:
  id: issue.key
  title: issue.fields.summary
  description: issue.fields.description
  status: issue.fields.status.name
  active: {path: issue.fields.status.name, in: [Open, In Progress]}
  severity: {path: issue.fields.priority.name, map: {High: critical, Low: info}, default: warning}
  source: {value: jira}
  environments: issue.fields.project.key
  started_at: issue.fields.created
  updated_at: timestamp
  tags: {project: issue.fields.project.key, first_label: issue.fields.labels.0, labels: issue.fields.labels, none: a.b}
""")


def test_jira_sample() -> None:
    incident = decode(JIRA, sample("jira_webhook_issue_created"))
    found = incident.as_dict()
    (alert,) = found.pop("alerts")
    assert found == {
        "id": "OPS-42",
        "status": "Open",
        "active": True,
        "severity": "critical",
        "title": "Coordinator daily-billing-agg is late by 47 minutes",
        "description": "lag 2820 s",
        "source": "jira",
        "environments": ["OPS"],
        "started_at": 1767225660.0,
        "updated_at": 1767225660.0,
        "alert_count": 1,
        "tags": {"project": "OPS", "first_label": "oozie", "labels": ["oozie", "host_oozie1"]},
    }
    assert (alert["id"], alert["active"], alert["tags"]) == ("OPS-42", True, found["tags"])


def mapped(document: Any, **fields: Any) -> Any:
    return decode({"mapping": {"id": "id", **fields}}, document)


def test_alerts_are_read_from_their_list() -> None:
    incident = mapped(
        {
            "id": 1,
            "list": [{"key": 5, "machine": "h1", "on": 1, "a": {"x": "y"}}, {"a": {"host": "h2:9100"}}],
        },
        alerts={
            "path": "list",
            "id": "key",
            "host": "machine",
            "active": {"path": "on", "equals": 1},
            "tags": "a",
        },
    )
    first, second = incident.alerts
    assert incident.alert_count == 2
    assert (first.id, first.host, first.active, first.tags) == ("5", "h1", True, {"x": "y"})
    assert (second.host, second.active) == ("h2", False)
    assert len(second.id) == 16


def test_without_a_list_there_are_no_alerts() -> None:
    assert mapped({"id": "i"}, alerts={"path": "list"}).alerts == ()


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        ({"path": "v", "equals": "open"}, "open", True),
        ({"path": "v", "equals": "open"}, None, False),
        ({"path": "v", "equals": 1}, True, False),
        ({"path": "v", "in": ["a", 2]}, 2, True),
        ({"path": "v", "map": {"open": True, "shut": False}}, "shut", False),
        ({"path": "v", "map": {True: False}}, True, False),
        ({"path": "v", "map": {0: False}, "default": True}, 0, False),
        ({"path": "v", "map": {0: False}, "default": True}, "x", True),
        ({"path": "v", "default": True}, None, True),
        ({"value": True}, None, True),
        ({"path": ["v"]}, True, True),
        ("v", False, False),
        ("v.x", False, None),
        ("v.0", [True], True),
        ("v.1", [True], None),
        ("v.-1", [True], None),
        ("v.\u00b2", [True], None),
        ("w", True, None),
    ],
)
def test_what_a_field_gives(spec: Any, value: Any, expected: bool | None) -> None:
    assert mapped({"id": "i", "v": value}, active=spec).active is expected


def test_a_name_with_a_dot_is_written_in_a_list() -> None:
    assert mapped({"id": "i", "a.b": {"c": "x"}}, title=["a.b", "c"]).title == "x"


def test_a_list_may_be_the_document() -> None:
    assert decode({"mapping": {"id": "0.id"}}, [{"id": 7}]).id == "7"


@pytest.mark.parametrize(
    "tags",
    [
        {"a": "1"},
        [{"name": "a", "value": "1"}],
        [{"key": "a", "value": "1"}, {"key": None}],
        [{"tag_id": "a", "tag_value": "1"}],
    ],
)
def test_tags_may_be_an_object_or_a_list(tags: Any) -> None:
    assert mapped({"id": "i", "t": tags}, tags="t").tags == {"a": "1"}


@pytest.mark.parametrize(
    ("reason", "field", "spec", "value"),
    [
        ("not-an-incident", "id", "v", None),
        ("not-an-incident", "id", "v", ""),
        ("wrong-type", "id", "v", {}),
        ("wrong-type", "title", "v", ["x"]),
        ("wrong-type", "active", "v", "yes"),
        ("wrong-type", "active", "v", 1),
        ("wrong-type", "environments", "v", [[]]),
        ("wrong-type", "started_at", "v", "soon"),
        ("wrong-type", "started_at", "v", True),
        ("number-out-of-range", "started_at", "v", -1),
        ("number-out-of-range", "started_at", "v", 1e300),
        ("wrong-type", "tags", "v", "a"),
        ("wrong-type", "tags", "v", ["a"]),
        ("wrong-type", "alerts", {"path": "v"}, {}),
        ("wrong-type", "alerts", {"path": "v", "host": "h"}, [{"h": []}]),
    ],
)
def test_what_is_refused(reason: str, field: str, spec: Any, value: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        mapped({"id": "i", "v": value}, **{field: spec})
    assert caught.value.reason == reason
    assert f"`{field}" in caught.value.detail


def test_every_mistake_is_listed_with_its_place() -> None:
    spec = {
        "titel": "a.b",
        "status": {"path": "a", "equal": 1},
        "active": {"path": "a", "in": "open"},
        "severity": {"path": "a", "map": ["x"]},
        "source": {"value": "jira", "path": "a"},
        "description": "a..b",
        "title": {"path": "a", "equals": 1, "map": {}},
        "started_at": {"path": "a", "equals": 1, "default": 2},
        "tags": {"x": 5},
        "alerts": {"hots": "h"},
    }
    with pytest.raises(ConfigError) as caught:
        build_format({"mapping": spec}, MAX_BYTES)
    where = "kafka.format.mapping"
    assert str(caught.value).splitlines() == [
        f"{where}: unknown key `titel`; did you mean `title`?",
        f"{where}: `id` is missing: where is the incident's id?",
        f"{where}.status: unknown key `equal`; did you mean `equals`?",
        f"{where}.active: `in` takes a list",
        f"{where}.severity: `map` takes an object from value to value",
        f"{where}.title: takes one of `equals`, `in` and `map`",
        f"{where}.description: expected a path such as `issue.fields.summary`, got 'a..b'",
        f"{where}.source: `value` is a constant and stands alone",
        f"{where}.started_at: `equals` and `in` give true or false, so `default` has no use",
        f"{where}.tags.x: expected a path such as `issue.fields.summary`, got 5",
        f"{where}.alerts: unknown key `hots`; did you mean `host`?",
        f"{where}.alerts.path: expected a path such as `issue.fields.summary`, got None",
    ]


@pytest.mark.parametrize("spec", [None, "id", []])
def test_a_mapping_must_be_an_object(spec: Any) -> None:
    with pytest.raises(ConfigError, match="expected an object of fields"):
        build_format({"mapping": spec}, MAX_BYTES)
