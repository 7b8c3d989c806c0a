"""Alertmanager's and Grafana's notifications."""

from typing import Any

import pytest
from tests.unit.sources.formats.messages import decode, sample

from automation_consumer.errors import DecodeError


def test_alertmanager_sample() -> None:
    incident = decode("alertmanager", sample("alertmanager_v4"))
    found = incident.as_dict()
    alerts = found.pop("alerts")
    assert found == {
        "id": "am-b83de49fa7872a4b",
        "status": "firing",
        "active": True,
        "severity": "critical",
        "title": "OozieCoordLate",
        "description": None,
        "source": "alertmanager",
        "environments": None,
        "started_at": 1767225660.0,
        "updated_at": None,
        "alert_count": 2,
        "tags": {
            "alertname": "OozieCoordLate",
            "cluster": "prod",
            "job": "oozie-exporter",
            "runbook_url": "https://runbooks.example.com/oozie-late",
            "receiver": "remediation",
            "externalURL": "https://alertmanager.example.com",
        },
    }
    assert alerts[1] == {
        "id": "ea2c2d4b8e3b5cdc",
        "status": "resolved",
        "active": False,
        "severity": "warning",
        "host": "oozie2.prod.example.com",
        "description": "lag 720 s",
        "source": "alertmanager",
        "started_at": 1767225840.0,
        "tags": {
            "alertname": "OozieCoordLate",
            "cluster": "prod",
            "job": "oozie-exporter",
            "instance": "oozie2.prod.example.com:9100",
            "severity": "warning",
            "coord_id": "0000988-251230101010101-oozie-oozi-C",
            "summary": "Coordinator hourly-views late",
            "description": "lag 720 s",
            "runbook_url": "https://runbooks.example.com/oozie-late",
            "generatorURL": "https://prometheus.example.com/graph?g0.expr=oozie_coord_lag_seconds+%3E+1800&g0.tab=1",
        },
    }
    assert [alert["id"] for alert in alerts] == ["f61fc534dc19f784", "ea2c2d4b8e3b5cdc"]


def test_grafana_sample() -> None:
    found = decode("grafana", sample("grafana_webhook")).as_dict()
    (alert,) = found.pop("alerts")
    labels = {
        "alertname": "OozieCoordLate",
        "grafana_folder": "Data platform",
        "host": "oozie1.prod.example.com",
        "severity": "critical",
        "coord_id": "0000123-251230101010101-oozie-oozi-C",
        "summary": "Coordinator daily-billing-agg late",
        "description": "lag 2820 s",
    }
    assert found == {
        "id": "grafana-cf4ce6d5b22a85b2",
        "status": "firing",
        "active": True,
        "severity": "critical",
        "title": "[FIRING:1] OozieCoordLate Data platform (oozie1.prod.example.com critical)",
        "description": "lag 2820 s",
        "source": "grafana",
        "environments": None,
        "started_at": 1767225660.0,
        "updated_at": None,
        "alert_count": 1,
        "tags": {**labels, "receiver": "remediation", "externalURL": "https://grafana.example.com/"},
    }
    tags = alert.pop("tags")
    assert alert == {
        "id": "bef9c8c0287de7fb",
        "status": "firing",
        "active": True,
        "severity": "critical",
        "host": "oozie1.prod.example.com",
        "description": "lag 2820 s",
        "source": "grafana",
        "started_at": 1767225660.0,
    }
    assert tags.items() >= labels.items()
    assert tags["values"] == {"A": 2820, "C": 1}
    assert tags["dashboardURL"] == "https://grafana.example.com/d/oozie?orgId=1"
    assert tags.keys() - labels.keys() == {
        "generatorURL", "silenceURL", "dashboardURL", "panelURL", "ruleUID", "values", "valueString",
    }  # fmt: skip


def group(**fields: Any) -> dict[str, Any]:
    return {"groupKey": "{}:{}", "status": "firing", **fields}


def test_the_same_group_is_the_same_incident_in_one_organisation() -> None:
    assert decode("alertmanager", group()).id == decode("alertmanager", group(status="resolved")).id
    assert decode("alertmanager", group()).id != decode("alertmanager", group(groupKey="{}:{x}")).id
    assert decode("grafana", group(orgId=1)).id != decode("grafana", group(orgId=2)).id


def test_what_newer_versions_add_is_tolerated() -> None:
    incident = decode(
        "alertmanager", group(notification_reason="x", routeLabels={"a": "b"}, alerts=[{"new": 1}])
    )
    assert incident.alert_count == len(incident.alerts) == 1


def test_severity_is_the_common_one_else_the_worst() -> None:
    alerts = [{"labels": {"severity": text}} for text in ("info", "strange", "Warning")]
    assert decode("alertmanager", group(alerts=alerts)).severity == "Warning"
    assert decode("alertmanager", group(alerts=alerts, commonLabels={"severity": "info"})).severity == "info"
    assert decode("alertmanager", group()).severity is None


def test_the_zero_time_is_no_time_and_the_incident_starts_with_its_first_alert() -> None:
    starts = ["0001-01-01T00:00:00Z", "2026-01-01T00:02:00.123456789Z", "2026-01-01T01:01:00+01:00"]
    incident = decode(
        "alertmanager", group(alerts=[{"labels": {"n": n}, "startsAt": s} for n, s in enumerate(starts)])
    )
    assert incident.alerts[0].started_at is None
    assert incident.started_at == 1767225660.0


def test_a_label_wins_over_an_annotation_and_ids_are_made_of_labels() -> None:
    alert = {"labels": {"a": "label", "n": None}, "annotations": {"a": "annotation", "b": "annotation"}}
    incident = decode("alertmanager", group(alerts=[alert, alert]))
    first, second = incident.alerts
    assert first.tags == {"a": "label", "b": "annotation"}
    assert second.id == f"{first.id}~2"


@pytest.mark.parametrize("name", ["alertmanager", "grafana"])
@pytest.mark.parametrize(
    ("reason", "document"),
    [
        ("not-an-incident", {"alerts": []}),
        ("not-an-incident", {"groupKey": ""}),
        ("wrong-type", group(alerts=[{"labels": ["a"]}])),
        ("wrong-type", group(alerts=[{"startsAt": "soon"}])),
        ("wrong-type", group(status=1)),
    ],
)
def test_what_is_refused(name: str, reason: str, document: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(name, document)
    assert caught.value.reason == reason
