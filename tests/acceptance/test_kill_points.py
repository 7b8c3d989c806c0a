"""kill -9 at every step of the road, then a restart: no incident is lost, no job is started twice."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.acceptance.pod import DEAD_LETTERS, TOPIC, Ended, Pod, incident, screwdriver, started
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

SCRIPT = Path(__file__).with_name("killed_run.py")
AT_ONCE = 5
INCIDENTS, ALERTS = 3, 4
RUNS = INCIDENTS * ALERTS
POISON = b'{"id": "INC-9", "alerts": '


class Point(NamedTuple):
    """Where the process is killed."""

    step: str
    moment: str
    number: int

    def __str__(self) -> str:
        return f"{self.moment} {self.step} {self.number}"


def both(step: str, *numbers: int) -> list[Point]:
    return [Point(step, moment, number) for number in numbers for moment in ("before", "after")]


POINTS = [
    *both("Flow.hand_over", 1),
    *both("Recorder.begin", 1, RUNS),
    *both("ScrewdriverClient.create_event", 1, RUNS),
    *both("Recorder.waiting", 1, RUNS),
    *both("ScrewdriverClient.builds", 1),
    *both("Recorder.close", 1, RUNS, RUNS * 2 + INCIDENTS),
    *both("KafkaProducer.enqueue", 1),
    *both("KafkaSource.commit", 1),
    *both("KafkaSource.commit_sync", 1),
    *both("KafkaSource.close", 1),
]
RETRY_POINTS = [  # the first attempts of four alerts fail, and the second ones
    *both("Recorder.retrying", 1, ALERTS),
    *both("Recorder.running", 1, ALERTS),
    *both("ScrewdriverClient.create_event", ALERTS + 1),
    *both("Recorder.waiting", ALERTS * 2),
    *both("Recorder.close", 1),
]


@dataclass(frozen=True)
class Seen:
    """What there was to see after the restart had handled everything."""

    killed: int
    restarted: Ended
    runs: list[Run]
    jobs: list[str]
    keys: Counter[str]
    committed: dict[int, int]
    ends: dict[int, int]
    dead_letters: list[bytes]


def good_jobs(point: Point, folder: Path) -> Seen:
    """Three incidents and a poison message on two partitions; a process that dies; one that goes on."""
    topics = {TOPIC: 2, DEAD_LETTERS: 1}
    with ScrewdriverStandin(job_seconds=0.3) as server, EmbeddedBroker(topics) as broker:
        pod = Pod(folder, broker.address, screwdriver(server))
        pod.publish(incident(0), POISON, incident(1), partition=0)
        pod.publish(incident(2), partition=1)
        return killed_and_restarted(point, pod, server)


def bad_jobs(point: Point, folder: Path) -> Seen:
    """One incident whose jobs all fail, and are tried twice."""
    with ScrewdriverStandin(job_seconds=0.2) as server, EmbeddedBroker({TOPIC: 2, DEAD_LETTERS: 1}) as broker:
        server.outcomes["fix"] = "FAILURE"
        config = screwdriver(server)
        config["actions"][0].update(retry_count=1, retry_delay=0.2)
        pod = Pod(folder, broker.address, config)
        pod.publish(incident(0))
        return killed_and_restarted(point, pod, server)


def killed_and_restarted(point: Point, pod: Pod, server: ScrewdriverStandin) -> Seen:
    at_the_end = point.step in ("KafkaSource.commit_sync", "KafkaSource.close")
    command = (sys.executable, str(SCRIPT), point.step, point.moment, str(point.number))
    try:
        killed = pod.ended(pod.start(*(["--once"] if at_the_end else []), command=command))
        restarted = pod.once()
        return Seen(
            killed.code,
            restarted,
            pod.runs(),
            started(server),
            server.triggers.copy(),
            pod.committed(),
            pod.ends(),
            [message.value() for message in pod.dead_letters()],
        )
    finally:
        pod.close()


Scenario = Callable[[Point, Path], Seen]
SCENARIOS: list[tuple[Scenario, Point]] = [
    *((good_jobs, point) for point in POINTS),
    *((bad_jobs, point) for point in RETRY_POINTS),
]


@pytest.fixture(scope="module")
def scenarios(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[Scenario, Point], Future[Seen]]]:
    """Those that are asked for, a few at a time: most of each is waiting for the dead member to be missed."""
    base = tmp_path_factory.mktemp("killed")
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {(each.get("scenario"), each.get("point")) for each in asked}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (scenario, point): pool.submit(scenario, point, base / str(number))
            for number, (scenario, point) in enumerate(SCENARIOS)
            if (scenario, point) in wanted
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    ("scenario", "point"), [(good_jobs, point) for point in POINTS], ids=map(str, POINTS)
)
def test_a_killed_service_loses_nothing_and_starts_nothing_twice(
    scenario: Scenario, point: Point, scenarios: dict[tuple[Scenario, Point], Future[Seen]]
):
    seen = scenarios[scenario, point].result()

    assert seen.killed == -signal.SIGKILL, "it was not killed: the step was never reached"
    assert seen.restarted.code == 0, seen.restarted.err
    alerts = [f"INC-{i}-a{n}" for i in range(INCIDENTS) for n in range(ALERTS)]
    assert seen.jobs == alerts
    assert set(seen.keys.values()) == {1}
    assert {run.status for run in seen.runs} == {RunStatus.SUCCEEDED}
    done = sorted((run.alert_id, run.action) for run in seen.runs if run.phase is Phase.ALERT)
    assert done == sorted((alert, action) for alert in alerts for action in ("fix", "note"))
    summed_up = sorted(run.incident_id for run in seen.runs if run.phase is Phase.INCIDENT)
    assert summed_up == [f"INC-{i}" for i in range(INCIDENTS)]
    assert seen.committed == seen.ends == {0: 3, 1: 1}
    assert set(seen.dead_letters) == {POISON}


@pytest.mark.parametrize(
    ("scenario", "point"), [(bad_jobs, point) for point in RETRY_POINTS], ids=map(str, RETRY_POINTS)
)
def test_a_killed_service_has_no_try_more_and_none_less(
    scenario: Scenario, point: Point, scenarios: dict[tuple[Scenario, Point], Future[Seen]]
):
    seen = scenarios[scenario, point].result()

    assert seen.killed == -signal.SIGKILL, "it was not killed: the step was never reached"
    assert seen.restarted.code == 1, seen.restarted.err
    alerts = [f"INC-0-a{n}" for n in range(ALERTS)]
    assert seen.jobs == sorted(alerts * 2)
    assert set(seen.keys.values()) == {1}
    tries = [(run.alert_id, run.status, run.attempt) for run in seen.runs if run.action == "fix"]
    assert sorted(tries) == [(alert, RunStatus.FAILED, 2) for alert in alerts]
    assert seen.committed == seen.ends == {0: 1}
