"""The whole service as a process on a real Apache Kafka: kill -9, and messages as large as Kafka can be made to take."""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from tests.acceptance.pod import Pod, incident, screwdriver, started
from tests.acceptance.test_kill_points import SCRIPT
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.model.run import RunStatus

pytestmark = pytest.mark.server

LARGE = 30_000_000
MakePod = Callable[..., Pod]


@pytest.fixture
def server() -> Iterator[ScrewdriverStandin]:
    with ScrewdriverStandin(job_seconds=0.3) as running:
        yield running


@pytest.fixture
def make_pod(kafka: str, tmp_path: Path) -> Iterator[MakePod]:
    """Makes a service with topics and a group of its own; `letters` is what the dead-letter topic takes, in bytes."""
    admin = AdminClient({"bootstrap.servers": kafka})
    made: list[Pod] = []

    def make(config: dict[str, Any], letters: int = LARGE) -> Pod:
        name = f"s-{uuid.uuid4().hex[:10]}"
        sizes = {name: (2, LARGE), f"{name}.dlq": (1, letters)}
        topics = [
            NewTopic(topic, count, 1, config={"max.message.bytes": str(size)})
            for topic, (count, size) in sizes.items()
        ]
        for future in admin.create_topics(topics, operation_timeout=15).values():
            future.result(20)
        made.append(
            Pod(tmp_path / name, kafka, config, topic=name, dead_letter_topic=f"{name}.dlq", group=name)
        )
        return made[-1]

    yield make
    for pod in made:
        pod.close()


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("ScrewdriverClient.create_event", "after"),
        ("Recorder.close", "before"),
        ("KafkaSource.commit", "after"),
    ],
)
def test_a_killed_service_goes_on_where_it_was(
    make_pod: MakePod, server: ScrewdriverStandin, step: str, moment: str
):
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(0), incident(1), partition=0)
    pod.publish(incident(2), partition=1)

    killed = pod.ended(pod.start(command=(sys.executable, str(SCRIPT), step, moment, "1")))
    restarted = pod.once()

    assert killed.code == -signal.SIGKILL
    assert restarted.code == 0, restarted.err
    assert started(server) == [f"INC-{i}-a{n}" for i in range(3) for n in range(4)]
    assert set(server.triggers.values()) == {1}
    assert [run.status for run in pod.runs()] == [RunStatus.SUCCEEDED] * 27
    assert pod.committed() == pod.ends() == {0: 2, 1: 1}


@pytest.mark.parametrize("letters", [LARGE, 1_048_588], ids=["whole", "cut"])
def test_20_mb_of_poison_is_kept_as_far_as_the_dead_letter_topic_takes_it(
    make_pod: MakePod, server: ScrewdriverStandin, letters: int
):
    huge = b'{"id": "INC-9", "title": "' + b"x" * 20_000_000 + b'"}'
    pod: Pod = make_pod(screwdriver(server), letters)
    pod.publish(huge, key=b"huge", headers=[("origin", b"here")])
    pod.publish(incident(1))

    ended = pod.once()

    assert ended.code == 0, ended.err
    assert ended.facts["dead_letters"] == 1
    assert started(server) == [f"INC-1-a{n}" for n in range(4)]
    (letter,) = pod.dead_letters()
    headers = dict(letter.headers())
    assert headers["automation.reason"] == b"too-large"
    assert headers["origin"] == b"here"
    assert letter.key() == b"huge"
    if letters == LARGE:
        assert letter.value() == huge
        assert "automation.truncated" not in headers
    else:
        assert huge.startswith(letter.value())
        assert len(letter.value()) > 900_000
        assert headers["automation.truncated"] == str(len(huge)).encode()
    assert pod.committed() == {0: 2}
