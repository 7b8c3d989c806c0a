"""BigPanda's two shapes, and what is read tolerantly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sources.formats.messages import decode, sample

from automation_consumer.errors import DecodeError

IDS = [f"66f1a2b3c4d5e6f70819000{n}" for n in range(5)]


def test_webhook_sample() -> None:
    incident = decode("bigpanda", sample("bigpanda_sample"))
    found = incident.as_dict()
    alerts = found.pop("alerts")
    assert found == {
        "id": IDS[0],
        "status": "critical",
        "active": True,
        "severity": "critical",
        "title": "Coordinator daily-billing-agg is late by 47 minutes",
        "description": None,
        "source": "api.oozie-monitor",
        "environments": ["64aa00112233445566778899"],
        "started_at": 1767225660.0,
        "updated_at": 1767226505.0,
        "alert_count": 4,
        "tags": {"priority": "P2", "assignment_group": "data-platform-oncall"},
    }
    assert incident.format == "bigpanda"
    assert alerts[3] == {
        "id": IDS[4],
        "status": "ok",
        "active": False,
        "severity": "warning",
        "host": "oozie2.prod.example.com",
        "description": "Coordinator hourly-views recovered",
        "source": "api.oozie-monitor",
        "started_at": 1767225840.0,
        "tags": {
            "host": "oozie2.prod.example.com",
            "check": "oozie_coord_late",
            "description": "Coordinator hourly-views recovered",
            "severity": "warning",
            "oozie_pipeline": "clicks",
            "alert_tags_coordname": "hourly-views",
            "alert_tags_coordid": "0000988-251230101010101-oozie-oozi-C",
        },
    }
    assert [alert["id"] for alert in alerts] == IDS[1:]
    assert [alert["host"] for alert in alerts] == [f"oozie{n}.prod.example.com" for n in (1, 1, 2, 2)]


def test_api_sample() -> None:
    found = decode("bigpanda", sample("bigpanda_api_v2_incident")).as_dict()
    alerts = found.pop("alerts")
    assert found == {
        "id": IDS[0],
        "status": "critical",
        "active": True,
        "severity": "critical",
        "title": None,
        "description": None,
        "source": None,
        "environments": ["64aa00112233445566778899"],
        "started_at": 1767225660.0,
        "updated_at": 1767226505.0,
        "alert_count": 4,
        "tags": {"priority": ["P2"], "assignment_group": "data-platform-oncall"},
    }
    assert [alert["id"] for alert in alerts] == IDS[1:]
    assert alerts[0]["active"] is None
    assert alerts[0]["tags"] == {}


def test_an_incident_may_stand_under_its_name() -> None:
    assert decode("bigpanda", {"incident": {"id": 7, "alerts": []}}).id == "7"
    assert decode("bigpanda", {"id": "outer", "incident": {"id": "inner"}}).id == "outer"


def test_an_expanded_api_alert() -> None:
    (alert,) = decode(
        "bigpanda",
        {
            "id": "i",
            "alerts": [
                {
                    "alert_id": 12,
                    "status": "warning",
                    "start": 1767225660,
                    "source_system": "nagios",
                    "tags": [
                        {"tag_id": "instance", "tag_value": "db1:9100"},
                        {"tag_id": "empty", "tag_value": None},
                    ],
                }
            ],
        },
    ).alerts
    assert alert.as_dict() == {
        "id": "12",
        "status": "warning",
        "active": True,
        "severity": None,
        "host": "db1",
        "description": None,
        "source": "nagios",
        "started_at": 1767225660.0,
        "tags": {"instance": "db1:9100"},
    }


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({"active": False, "status": "critical"}, False),
        ({"resolved": True}, False),
        ({"resolved": False, "status": "ok"}, True),
        ({"status": "ok"}, False),
        ({"status": "unknown"}, True),
        ({}, None),
    ],
)
def test_whether_an_incident_is_active(fields: dict[str, Any], active: bool | None) -> None:
    assert decode("bigpanda", {"id": "i", **fields}).active is active


def test_tags_may_be_an_object_and_names_may_repeat() -> None:
    incident = decode(
        "bigpanda",
        {
            "id": "i",
            "incidentTags": {"team": "data", "none": None},
            "alerts": [
                {
                    "id": "a",
                    "tags": [
                        {"name": "host", "value": "h1"},
                        {"name": "host", "value": ["h2", "h1"]},
                        {"name": "one", "value": 1},
                        {"name": "one", "value": 1},
                        {"name": 5, "value": "no name"},
                        {"unheard": "of"},
                    ],
                }
            ],
        },
    )
    assert incident.tags == {"team": "data"}
    assert incident.alerts[0].tags == {"host": ["h1", "h2"], "one": 1}
    assert incident.alerts[0].host == "h1"


def test_alerts_without_id_are_known_by_what_they_say() -> None:
    tags = [{"name": "host", "value": "h1"}, {"name": "check", "value": "c"}]
    other = [{"name": "host", "value": "h2"}]
    once = decode("bigpanda", {"id": "i", "alerts": [{"tags": tags}, {"tags": other}]}).alerts
    again = decode(
        "bigpanda", {"id": "i", "alerts": [{"tags": other}, {"id": "", "tags": tags[::-1]}]}
    ).alerts
    assert once[0].id == again[1].id
    assert once[1].id == again[0].id
    assert once[0].id != once[1].id
    assert once[0].id.startswith("bp-")


def test_no_two_alerts_have_one_id() -> None:
    alerts = decode(
        "bigpanda", {"id": "i", "alerts": [{"id": "a"}, {"id": "b"}, {"id": "a"}, {"id": "a"}]}
    ).alerts
    assert [alert.id for alert in alerts] == ["a", "b", "a~2", "a~3"]


@pytest.mark.parametrize(
    ("reason", "document", "place"),
    [
        ("not-an-incident", {}, "`id`"),
        ("not-an-incident", {"id": ""}, "empty"),
        ("not-an-incident", {"id": " \t"}, "empty"),
        ("not-an-incident", {"id": None}, "`id`"),
        ("not-an-incident", [1], "an array"),
        ("not-an-incident", "text", "a string"),
        ("not-an-incident", 5, "a number"),
        ("not-an-incident", {"incident": 5}, "`$.incident`"),
        ("wrong-type", {"incident": {"id": []}}, "`$.incident.id`"),
        ("wrong-type", {"id": ["x"]}, "`$.id`"),
        ("wrong-type", {"id": True}, "`$.id`"),
        ("wrong-type", {"id": "i", "active": "yes"}, "`$.active`"),
        ("wrong-type", {"id": "i", "status": 3}, "`$.status`"),
        ("wrong-type", {"id": "i", "alerts": {"a": 1}}, "`$.alerts`"),
        ("wrong-type", {"id": "i", "alerts": ["a"]}, "`$.alerts[0]`"),
        ("wrong-type", {"id": "i", "alerts": [{"id": "a", "tags": "host"}]}, "tags"),
        ("wrong-type", {"id": "i", "alerts": [{"id": "a"}, {"tags": [{}, "host"]}]}, "`$.alerts[1].tags`"),
        ("wrong-type", {"id": "i", "incidentTags": [["a", "b"]]}, "`$.incidentTags`"),
        ("wrong-type", {"id": "i", "startedOn": "yesterday"}, "`$.startedOn`"),
        ("number-out-of-range", {"id": "i", "startedOn": -1}, "`$.startedOn`"),
        ("number-out-of-range", {"id": "i", "alerts": [{"startedOn": 1e17}]}, "startedOn"),
    ],
)
def test_what_is_refused_is_said_with_its_place(reason: str, document: Any, place: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode("bigpanda", document)
    assert caught.value.reason == reason
    assert place in caught.value.detail


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "value", "tag_id", "tag_value", "host", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=5,
)


@given(
    alert=st.fixed_dictionaries({}, optional={"id": JSON, "alert_id": JSON, "status": JSON, "tags": JSON}),
    tags=JSON,
)
def test_an_incident_that_decodes_builds_its_alerts(alert: dict[str, Any], tags: Any) -> None:
    try:
        incident = decode("bigpanda", {"id": "i", "alerts": [alert, alert], "incident_tags": tags})
    except DecodeError:
        return
    assert len({alert.id for alert in incident.alerts}) == incident.alert_count == 2
    assert all(isinstance(name, str) for name in incident.tags)
