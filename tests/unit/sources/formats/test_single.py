"""PagerDuty, Opsgenie, Datadog, Rootly: one thing per message, which is its own alert."""

import json
from typing import Any

import pytest
from tests.unit.sources.formats.messages import decode, sample

from automation_consumer.errors import DecodeError

SAMPLES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "pagerduty",
        "pagerduty_v3_incident_triggered",
        {
            "id": "PGR0VU2",
            "status": "triggered",
            "active": True,
            "severity": "high",
            "title": "Coordinator daily-billing-agg is late by 47 minutes",
            "description": None,
            "source": "Oozie production",
            "environments": None,
            "started_at": 1767225660.0,
            "updated_at": 1767225661.169,
            "alert_count": 1,
            "tags": {
                "event_type": "incident.triggered",
                "number": 4711,
                "incident_key": "oozie/daily-billing-agg",
                "urgency": "high",
                "priority": "P2",
                "service": "Oozie production",
                "service_id": "PF9KMXH",
                "escalation_policy": "Default",
                "teams": ["Data platform"],
                "assignees": ["User 123"],
                "url": "https://acme.pagerduty.com/incidents/PGR0VU2",
            },
        },
        {"host": None, "description": "Coordinator daily-billing-agg is late by 47 minutes"},
    ),
    (
        "opsgenie",
        "opsgenie_webhook",
        {
            "id": "052652ac-5d1c-464a-812a-7dd18bbfba8c-1767225660000",
            "status": "open",
            "active": True,
            "severity": "critical",
            "title": "Coordinator daily-billing-agg is late by 47 minutes",
            "description": "lag 2820 s",
            "source": "oozie-monitor",
            "environments": None,
            "started_at": 1767225660.0,
            "updated_at": None,
            "alert_count": 1,
            "tags": {
                "host": "oozie1.prod.example.com",
                "severity": "critical",
                "oozie_pipeline": "billing",
                "coord_id": "0000123-251230101010101-oozie-oozi-C",
                "tags": ["oozie", "billing"],
                "action": "Create",
                "priority": "P2",
                "alias": "oozie/daily-billing-agg",
                "entity": "oozie1.prod.example.com",
                "tinyId": "10",
                "teams": ["8af5b6e1-0000-4000-8000-0123456789ab"],
            },
        },
        {"host": "oozie1.prod.example.com", "description": "lag 2820 s"},
    ),
    (
        "datadog",
        "datadog_webhook",
        {
            "id": "1435093216954871230",
            "status": "Triggered",
            "active": True,
            "severity": "error",
            "title": "Oozie coordinator daily-billing-agg late on host:oozie1.prod.example.com",
            "description": None,
            "source": "datadog",
            "environments": None,
            "started_at": 1767225660.0,
            "updated_at": 1767225660.0,
            "alert_count": 1,
            "tags": {
                "env": "prod",
                "host": "oozie1.prod.example.com",
                "oozie_pipeline": "billing",
                "monitor_id": "87654321",
                "priority": "P2",
                "metric": "oozie.coord.lag",
                "link": "https://app.datadoghq.com/event/event?id=7654321098765432100",
                "event_id": "7654321098765432100",
            },
        },
        {
            "host": "oozie1.prod.example.com",
            "description": "Oozie coordinator daily-billing-agg late on host:oozie1.prod.example.com",
        },
    ),
    (
        "rootly",
        "rootly_webhook_alert_created",
        {
            "id": "0f1e2d3c-0000-4000-8000-001122334455",
            "status": None,
            "active": True,
            "severity": "critical",
            "title": "Coordinator daily-billing-agg is late by 47 minutes",
            "description": None,
            "source": "api",
            "environments": None,
            "started_at": 1767225660.0,
            "updated_at": 1767225662.0,
            "alert_count": 1,
            "tags": {
                "host": "oozie1.prod.example.com",
                "severity": "critical",
                "coord_id": "0000123-251230101010101-oozie-oozi-C",
                "event_type": "alert.created",
                "external_id": "oozie/daily-billing-agg",
                "external_url": "https://monitor.example.com/alerts/123",
            },
        },
        {
            "host": "oozie1.prod.example.com",
            "description": "Coordinator daily-billing-agg is late by 47 minutes",
        },
    ),
]


@pytest.mark.parametrize(("name", "file", "expected", "of_alert"), SAMPLES, ids=[each[0] for each in SAMPLES])
def test_sample(name: str, file: str, expected: dict[str, Any], of_alert: dict[str, Any]) -> None:
    incident = decode(name, sample(file))
    found = incident.as_dict()
    (alert,) = found.pop("alerts")
    assert found == expected
    shared = ("id", "status", "active", "severity", "source", "started_at", "tags")
    assert alert == {**{field: expected[field] for field in shared}, **of_alert}
    assert incident.format == name


def changed(file: str, *path: str, to: Any) -> dict[str, Any]:
    """The sample with one value changed."""
    document: dict[str, Any] = json.loads(sample(file))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return document


PAGERDUTY, OPSGENIE = "pagerduty_v3_incident_triggered", "opsgenie_webhook"
DATADOG, ROOTLY = "datadog_webhook", "rootly_webhook_alert_created"


@pytest.mark.parametrize(
    ("name", "document", "active"),
    [
        ("pagerduty", changed(PAGERDUTY, "event", "data", "status", to="acknowledged"), True),
        ("pagerduty", changed(PAGERDUTY, "event", "data", "status", to="resolved"), False),
        ("opsgenie", changed(OPSGENIE, "action", to="Acknowledge"), True),
        ("opsgenie", changed(OPSGENIE, "action", to="Our own action"), True),
        ("opsgenie", changed(OPSGENIE, "action", to="Close"), False),
        ("opsgenie", changed(OPSGENIE, "action", to="Delete"), False),
        ("datadog", changed(DATADOG, "transition", to="Renotify"), True),
        ("datadog", changed(DATADOG, "transition", to="Recovered"), False),
        ("rootly", changed(ROOTLY, "data", "ended_at", to="2026-01-01T00:02:00Z"), False),
        ("rootly", changed(ROOTLY, "data", "status", to="acknowledged"), True),
        ("rootly", changed(ROOTLY, "data", "status", to="resolved"), False),
        ("rootly", changed(ROOTLY, "event", "type", to="incident.mitigated"), True),
        ("rootly", changed(ROOTLY, "event", "type", to="incident.resolved"), False),
    ],
)
def test_whether_it_is_active(name: str, document: Any, active: bool) -> None:
    incident = decode(name, document)
    assert incident.active is active
    assert incident.alerts[0].active is active


@pytest.mark.parametrize(
    ("name", "document", "reason"),
    [
        ("pagerduty", {}, "not-an-incident"),
        ("pagerduty", {"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}}, "not-an-incident"),
        ("pagerduty", changed(PAGERDUTY, "event", "data", "type", to="incident_note"), "not-an-incident"),
        ("pagerduty", changed(PAGERDUTY, "event", "data", "id", to=None), "not-an-incident"),
        ("pagerduty", changed(PAGERDUTY, "event", "data", "title", to=5), "wrong-type"),
        ("opsgenie", {}, "not-an-incident"),
        ("opsgenie", changed(OPSGENIE, "alert", "alertId", to=""), "not-an-incident"),
        ("opsgenie", changed(OPSGENIE, "alert", "tags", to="a"), "wrong-type"),
        ("opsgenie", changed(OPSGENIE, "alert", "createdAt", to=1e18), "number-out-of-range"),
        ("datadog", {"id": "1", "title": "Datadog's default body"}, "not-an-incident"),
        ("datadog", changed(DATADOG, "cycle_key", to="$ALERT_CYCLE_KEY"), "not-an-incident"),
        ("datadog", changed(DATADOG, "tags", to=["a"]), "wrong-type"),
        ("datadog", changed(DATADOG, "date", to="soon"), "wrong-type"),
        ("datadog", changed(DATADOG, "date", to="99999999999999999999"), "number-out-of-range"),
        ("rootly", {}, "not-an-incident"),
        ("rootly", changed(ROOTLY, "event", "type", to="pulse.created"), "not-an-incident"),
        ("rootly", changed(ROOTLY, "event", "type", to="incident_event.created"), "not-an-incident"),
        ("rootly", changed(ROOTLY, "data", "labels", to="a"), "wrong-type"),
    ],
)
def test_what_is_refused(name: str, document: Any, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(name, document)
    assert caught.value.reason == reason


def test_a_ping_is_named_as_what_it_is() -> None:
    with pytest.raises(DecodeError, match=r"event 'pagey\.ping' .* is sound, but does not carry an incident"):
        decode("pagerduty", {"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}})


def test_opsgenie_without_details_has_its_entity_as_host() -> None:
    document = changed(OPSGENIE, "alert", "details", to=None)
    document["alert"]["entity"] = "db1:5432"
    incident = decode("opsgenie", document)
    assert incident.alerts[0].host == "db1"
    assert incident.severity == "P2"


def test_datadog_values_may_be_numbers_or_empty() -> None:
    incident = decode(
        "datadog", {"cycle_key": 12, "date": "", "tags": "a, b:c:d ,,a", "scope": "e:1", "host": ""}
    )
    assert incident.id == "12"
    assert incident.started_at is None
    assert incident.tags == {"a": "", "b": "c:d", "e": "1"}
    assert incident.alerts[0].host is None


def test_a_rootly_incident() -> None:
    incident = decode(
        "rootly",
        {
            "event": {"id": "e", "type": "incident.created", "issued_at": "2026-01-01T00:01:02Z"},
            "data": {
                "id": "i",
                "title": "Billing is late",
                "summary": "more",
                "status": "started",
                "severity": {"name": "SEV1"},
                "environments": [{"name": "prod"}, "staging", 5],
                "labels": {"host": "h1"},
            },
        },
    )
    assert (incident.title, incident.description, incident.severity) == ("Billing is late", "more", "SEV1")
    assert incident.environments == ["prod", "staging"]
    assert incident.alerts[0].host == "h1"
    assert incident.active is True
