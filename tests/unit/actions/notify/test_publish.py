"""The action type `publish`, against a broker in the process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.standins.action_context import SharedClients, make_context

from automation_consumer.actions.notify.publish import Publish, PublishParams
from automation_consumer.plugin import PermanentError
from automation_consumer.sources.kafka.embedded import EmbeddedBroker


@pytest.fixture
def clients() -> Iterator[SharedClients]:
    made = SharedClients()
    yield made
    made.close()


def read_one(address: str, topic: str):
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(4)])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                return message
        raise AssertionError("no message came")
    finally:
        consumer.close()


def run(embedded: EmbeddedBroker, clients: SharedClients, **fields):
    ctx = make_context(clients=clients, connection={"bootstrap.servers": embedded.address, "group.id": "g"})
    return Publish().run(ctx, PublishParams(topic="events", **fields))


def test_a_mapping_goes_as_json_with_key_and_headers(embedded, clients):
    outcome = run(
        embedded, clients, value={"host": "web-1", "n": [1, None]}, key="k", headers={"team": "data"}
    )
    message = read_one(embedded.address, "events")
    assert outcome.ok
    assert orjson.loads(message.value()) == {"host": "web-1", "n": [1, None]}
    assert message.key() == b"k"
    assert message.headers() == [("team", b"data"), ("automation-run-key", b"r1-1")]


def test_a_text_goes_as_it_is(embedded, clients):
    run(embedded, clients, value="line\n2 \ud800")
    message = read_one(embedded.address, "events")
    assert (message.value(), message.key()) == (b"line\n2 ?", None)


def test_runs_share_one_producer(embedded, clients):
    for _ in range(3):
        run(embedded, clients, value="x")
    assert len(clients.made) == 1


def test_too_large(embedded, clients):
    with pytest.raises(PermanentError, match="MSG_SIZE_TOO_LARGE"):
        run(embedded, clients, value="x" * 2_000_000)


def test_what_is_not_json_is_said(embedded, clients):
    with pytest.raises(PermanentError, match="cannot be sent as JSON"):
        run(embedded, clients, value={"n": 2**70})


def test_without_a_broker_or_with_settings_that_are_wrong(clients):
    params = PublishParams(topic="t", value="x")
    with pytest.raises(PermanentError, match=r"connections\.kafka"):
        Publish().run(make_context(clients=clients), params)
    wrong = {"bootstrap.servers": "b:1", "no.such.setting": "x"}
    with pytest.raises(PermanentError, match="cannot be made"):
        Publish().run(make_context(clients=clients, connection=wrong), params)


@pytest.mark.parametrize("topic", ["{{ tags.topic }}", "a b", "", "x" * 250])
def test_a_topic_is_a_plain_name(topic):
    with pytest.raises(ValueError, match="topic"):
        PublishParams(topic=topic, value="x")


async def test_preview_sends_nothing(clients):
    text = await Publish().preview(make_context(clients=clients), PublishParams(topic="t", value={"a": 1}))
    assert text == "would send 7 bytes to topic t"
    assert clients.made == {}
