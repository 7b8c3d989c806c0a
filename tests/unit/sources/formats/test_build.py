"""Names of formats, and what holds for all of them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sources.formats.messages import MAX_BYTES, SAMPLES, message

from automation_consumer.errors import ConfigError, DecodeError
from automation_consumer.sources.formats import FORMATS, Format, Reason, build_format

MAPPING: dict[str, Any] = {
    "mapping": {
        "id": "id",
        "active": "active",
        "started_at": "started_at",
        "tags": "tags",
        "alerts": {"path": "alerts", "tags": "tags"},
    }
}
ALL: dict[str, Format] = {
    name: build_format(MAPPING if name == "mapping" else name, MAX_BYTES) for name in FORMATS
}
NAMES = sorted(
    {
        "id", "incident", "status", "active", "severity", "alerts", "tags", "incident_tags", "startedOn", "name",
        "value", "groupKey", "labels", "annotations", "startsAt", "commonLabels", "event", "event_type", "data",
        "type", "service", "created_at", "action", "alert", "alertId", "details", "createdAt", "cycle_key", "date",
        "transition", "scope", "started_at", "specversion", "source", "data_base64", "environments", "title",
    }
)  # fmt: skip
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.sampled_from(
            ["1.0", "incident", "incident.created", "alert.created", "2026-01-01T00:00:00Z", "a:b"]
        ),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=30,
)


def read_all(chosen: Format, raw: bytes) -> None:
    """Decode and build everything; nothing but a DecodeError may come."""
    try:
        incidents = chosen.decode(message(raw))
    except DecodeError as error:
        Reason(error.reason)
        return
    assert incidents
    for incident in incidents:
        assert incident.id.strip()
        assert incident.alert_count == len({alert.id for alert in incident.alerts})
        incident.as_dict()


@pytest.mark.parametrize("name", FORMATS)
@given(raw=st.binary(max_size=100))
@settings(max_examples=50)
def test_any_bytes_give_incidents_or_a_decode_error(name: str, raw: bytes) -> None:
    read_all(ALL[name], raw)


@pytest.mark.parametrize("name", FORMATS)
@given(value=JSON)
@settings(max_examples=200)
def test_any_json_gives_incidents_or_a_decode_error(name: str, value: Any) -> None:
    read_all(ALL[name], json.dumps(value).encode())


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=100)
def test_any_change_of_a_sample_too(name: str, data: st.DataObject) -> None:
    """One value somewhere in a sample is replaced by any other: deep inside the shapes that are read."""
    files = sorted(path for path in SAMPLES.glob("*.json") if path.name.startswith(name[:6]))
    document = json.loads(data.draw(st.sampled_from(files or sorted(SAMPLES.glob("*.json")))).read_bytes())
    place = document
    while True:
        keys = range(len(place)) if isinstance(place, list) else sorted(place)
        key = data.draw(st.sampled_from(list(keys)))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 3)):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    read_all(ALL[name], json.dumps(document).encode())


@pytest.mark.parametrize("name", FORMATS)
def test_a_message_over_the_limit_is_too_large(name: str) -> None:
    small = build_format(MAPPING if name == "mapping" else name, 10)
    with pytest.raises(DecodeError, match=r"too-large: 20 bytes, and kafka\.max_message_bytes allows 10"):
        small.decode(message(b'{"id": "0123456789"}'))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("bigpnada", "there is no format `bigpnada` (did you mean `bigpanda`?)"),
        ("xml", "there is no format `xml` (there are bigpanda, alertmanager,"),
        ({"alertmanger": None}, "did you mean `alertmanager`?"),
        ({}, "expected a format's name or an object with one name"),
        ({"mapping": {"id": "a"}, "bigpanda": None}, "expected a format's name or an object with one name"),
        ({"bigpanda": {"x": 1}}, "the format `bigpanda` has no options"),
        ({"cloudevents": ["data"]}, "kafka.format.cloudevents: expected an object with `data`"),
        (
            {"cloudevents": {"dta": "grafana"}},
            "kafka.format.cloudevents: unknown key `dta`; did you mean `data`?",
        ),
        ({"cloudevents": {"data": "grafna"}}, "kafka.format.cloudevents.data: there is no format `grafna`"),
        ({"cloudevents": {"data": "cloudevents"}}, "a CloudEvent inside a CloudEvent"),
        (
            {"cloudevents": {"data": {"mapping": {}}}},
            "kafka.format.cloudevents.data.mapping: `id` is missing",
        ),
        ("mapping", "kafka.format.mapping: expected an object of fields"),
    ],
)
def test_mistakes_in_the_config_are_said(spec: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_format(spec, MAX_BYTES)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "mapping"])
def test_a_name_may_stand_as_an_empty_object(name: str) -> None:
    build_format({name: None}, MAX_BYTES)
