"""kill -9 in the middle, again and again: whatever the journal says has ended was told on the outcome topic."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from jsonschema import Draft202012Validator
from msgspec import json
from tests.acceptance.pod import DEAD_LETTERS, TOPIC, Pod, incident

from automation_consumer.cli.reference.outcomes import outcome_schema
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

OUTCOMES = "incidents.outcomes"
SCRIPT = Path(__file__).with_name("killed_run.py")
SCHEMA = Draft202012Validator(outcome_schema())
INCIDENTS, ALERTS, KILLS = 60, 3, 4
RUNS = INCIDENTS * (ALERTS * 2 + 1)
POISON = b'{"id": "INC-9", "alerts": '
CONFIG = {
    "kafka": {"outcome_topic": OUTCOMES},
    "actions": [
        {"name": "note", "type": "log", "message": "fixed {{ id }}"},
        {"name": "off", "type": "log", "message": "never", "enabled": False},
        {"name": "sum_up", "type": "log", "message": "{{ incident.id }} is done"},
    ],
    "incident_conditions": [
        {
            "name": "all",
            "match": {"status": "critical"},
            "alert_actions": ["note", "off"],
            "incident_actions": ["sum_up"],
        }
    ],
}


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with EmbeddedBroker({TOPIC: 2, DEAD_LETTERS: 1, OUTCOMES: 3}) as broker:
        made = Pod(tmp_path / "pod", broker.address, CONFIG)
        yield made
        made.close()


def told(pod: Pod) -> list[tuple[int, bytes, dict[str, Any]]]:
    """Every event on the topic, with its partition and key, in the partition's order."""
    reader = Consumer({"bootstrap.servers": pod.broker, "group.id": "reader", "enable.partition.eof": True})
    found, open_ends, end = [], 3, time.monotonic() + 30
    try:
        reader.assign([TopicPartition(OUTCOMES, number, 0) for number in range(3)])
        while open_ends:
            message = reader.poll(1)
            assert time.monotonic() < end
            if message is not None and message.error() is not None:
                open_ends -= 1
            elif message is not None:
                event = json.decode(message.value())
                SCHEMA.validate(event)
                found.append((message.partition(), message.key(), event))
    finally:
        reader.close()
    return found


def check(pod: Pod, poison: int) -> list[dict[str, Any]]:
    """What must hold when everything is handled; the events without repeats."""
    by_id: dict[str, dict[str, Any]] = {}
    partitions: dict[bytes, set[int]] = {}
    for partition, key, event in told(pod):
        partitions.setdefault(key, set()).add(partition)
        first = by_id.setdefault(event["event_id"], event)
        if event["kind"] == "run":
            assert event == first  # told twice, it says the same
    assert all(len(each) == 1 for each in partitions.values())
    runs = pod.runs()
    assert all(run.ended for run in runs)
    kinds = Counter(event["kind"] for event in by_id.values())
    assert {each for each in by_id if by_id[each]["kind"] == "run"} == {
        f"{run.id}-{run.status}" for run in runs
    }
    assert kinds["run"] == len(runs)
    assert kinds["message"] == poison
    return list(by_id.values())


def test_kill_9_in_the_middle_and_every_ending_is_told(pod: Pod):
    """Red when the announcer sends only what ends while it runs, marks before the delivery, or does not stop by sending
    what is left."""
    for number in range(INCIDENTS):
        pod.publish(incident(number, ALERTS), partition=number % 2)
    pod.publish(POISON)
    for kill in range(1, KILLS + 1):
        process = pod.start()
        enough = RUNS * kill // (KILLS + 2)
        pod.until(lambda enough=enough: len(pod.runs()) >= enough, "runs in the journal")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert pod.once().code == 0
    assert len(pod.runs()) == RUNS
    events = check(pod, poison=1)
    conditions = {(event["incident"], event["result"]) for event in events if event["kind"] == "condition"}
    assert conditions == {(f"INC-{number}", "succeeded") for number in range(INCIDENTS)}
    denied = [event for event in events if event.get("check")]
    assert {event["check"] for event in denied} == {"enabled"}
    assert len(denied) == INCIDENTS * ALERTS


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, ALERTS * 2 + 1])
def test_killed_between_the_end_of_a_run_and_the_delivery_of_its_event(pod: Pod, moment: str, number: int):
    """Red when what has ended is not noted as untold in the same write."""
    pod.publish(incident(1, ALERTS))
    killed = pod.start(
        "KafkaProducer.enqueue",
        moment,
        str(number),
        command=(sys.executable, str(SCRIPT)),
    )
    assert killed.wait(30) == -signal.SIGKILL
    assert pod.once().code == 0
    check(pod, poison=0)
