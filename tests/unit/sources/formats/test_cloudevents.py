"""CloudEvents in their modes on Kafka."""

import base64
import json
from typing import Any

import pytest
from tests.unit.sources.formats.messages import MAX_BYTES, decode, message, sample

from automation_consumer.errors import DecodeError
from automation_consumer.model.message import Headers
from automation_consumer.sources.formats import build_format

STRUCTURED: Headers = (("Content-Type", b"application/CloudEvents+json; charset=utf-8"),)
ATTRIBUTES = {"specversion": "1.0", "id": "e1", "source": "//x", "type": "t"}


def binary(**changes: bytes) -> Headers:
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"e1",
        "ce_source": b"//x",
        "ce_type": b"t",
        "content-type": b"application/json",
        **changes,
    }
    return tuple(headers.items())


def test_structured_sample_is_the_incident_that_it_carries() -> None:
    bare = decode("bigpanda", sample("bigpanda_sample"))
    for headers in (STRUCTURED, ()):
        assert decode("cloudevents", sample("cloudevents_structured"), headers).as_dict() == bare.as_dict()


def test_binary_sample() -> None:
    record = json.loads(sample("cloudevents_kafka_binary"))
    headers = tuple((name, value.encode()) for name, value in record["headers"].items())
    value = sample(record["value_file"].removesuffix(".json"))
    assert decode("cloudevents", value, headers).id == record["key"]


def test_batch_sample_gives_each_incident_as_its_last_event_has_it() -> None:
    headers = (("content-type", b"application/cloudevents-batch+json"),)
    incident = decode("cloudevents", sample("cloudevents_batch"), headers)
    assert (incident.id, incident.status, incident.active) == ("66f1a2b3c4d5e6f708190000", "ok", False)


def test_a_batch_about_several_incidents() -> None:
    events = [{**ATTRIBUTES, "data": {"id": ident}} for ident in ("a", "b", "a")]
    incidents = build_format("cloudevents", MAX_BYTES).decode(message(json.dumps(events).encode()))
    assert [incident.id for incident in incidents] == ["a", "b"]


def test_a_message_that_is_no_event_goes_to_the_inner_format() -> None:
    assert decode("cloudevents", {"id": "bare"}).id == "bare"


@pytest.mark.parametrize(
    "data",
    [
        {"data": {"id": "i"}},
        {"data": '{"id": "i"}', "datacontenttype": "text/plain"},
        {"data_base64": base64.b64encode(b'{"id": "i"}').decode()},
    ],
)
def test_data_in_its_three_ways(data: dict[str, Any]) -> None:
    assert decode("cloudevents", {**ATTRIBUTES, **data}).id == "i"


def test_the_inner_format_is_named_under_data() -> None:
    event = {**ATTRIBUTES, "data": json.loads(sample("alertmanager_v4"))}
    assert decode({"cloudevents": {"data": "alertmanager"}}, event).format == "alertmanager"
    spec = {"cloudevents": {"data": {"mapping": {"id": "key"}}}}
    assert decode(spec, {**ATTRIBUTES, "data": {"key": "k"}}).id == "k"


@pytest.mark.parametrize(
    ("reason", "document", "headers"),
    [
        ("not-an-incident", {**ATTRIBUTES, "specversion": "0.3", "data": {"id": "i"}}, ()),
        ("not-an-incident", {**ATTRIBUTES, "source": "", "data": {"id": "i"}}, ()),
        ("not-an-incident", {"id": "i"}, STRUCTURED),
        ("not-an-incident", 5, STRUCTURED),
        ("not-an-incident", [], ()),
        ("not-an-incident", [5], ()),
        ("not-an-incident", {**ATTRIBUTES}, ()),
        ("not-an-incident", {"id": "i"}, binary(ce_id=b"")),
        ("not-an-incident", {"id": "i"}, binary(ce_specversion=b"2.0")),
        ("wrong-type", {**ATTRIBUTES, "id": 5}, ()),
        ("wrong-type", {**ATTRIBUTES, "data_base64": "???"}, ()),
        ("wrong-type", {**ATTRIBUTES, "data_base64": "\u00e4"}, ()),
        ("not-json", {**ATTRIBUTES, "data": "{"}, ()),
        ("duplicate-key", {**ATTRIBUTES, "data": '{"id":1,"id":2}'}, ()),
        ("empty", {**ATTRIBUTES, "data_base64": ""}, ()),
    ],
)
def test_what_is_refused(reason: str, document: Any, headers: Headers) -> None:
    with pytest.raises(DecodeError) as caught:
        decode("cloudevents", document, headers)
    assert caught.value.reason == reason


def test_a_tombstone_is_empty() -> None:
    with pytest.raises(DecodeError, match="tombstone"):
        build_format("cloudevents", MAX_BYTES).decode(message(None, STRUCTURED))
