"""kill -9 at every step of the road, then a restart: no incident is lost, no job is started twice.

On SQLite; with TEST_POSTGRES also on PostgreSQL, where the second process has to wait for the first one's lease.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.acceptance.pod import DEAD_LETTERS, TOPIC, Ended, Pod, incident, screwdriver, started
from tests.chaos.stores import PostgresStore
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

SCRIPT = Path(__file__).with_name("killed_run.py")
AT_ONCE = 8
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
    *both("SqlJournal.remembered", 1),
    *both("Flow.hand_over", 1),
    *both("Recorder.begin", 1, RUNS),  # the intent, and the message with it
    *both("SqlJournal.open", 1, RUNS),
    *both("ScrewdriverClient.create_event", 1, RUNS),  # the remote call
    *both("Recorder.waiting", 1, RUNS),  # its id is stored
    *both("ScrewdriverClient.builds", 1),
    *both("Recorder.close", 1, RUNS, RUNS * 2 + INCIDENTS),
    *both("SqlJournal.change", 1, RUNS, RUNS * 3 + INCIDENTS),
    *both("SqlJournal.finished", 1, INCIDENTS),  # the message needs nothing more
    *both("KafkaProducer.enqueue", 1),  # a dead letter
    *both("KafkaSource.commit", 1),
    *both("SqlJournal.committed", 1),
    *both("KafkaSource.commit_sync", 1),
    *both("KafkaSource.close", 1),
    *both("SqliteDatabase.commit", 1, 2, 3, 5, 8),  # a transaction is on disk, and nobody knows yet
]
RECOVERY_POINTS = [  # of the second process, when the first one died in the middle of starting jobs
    *both("SqlJournal.orphans", 1, 2),
    *both("SqlJournal.adopt", 1, RUNS // 2),
    *both("ScrewdriverClient.find_event", 1),
    *both("ScrewdriverClient.create_event", 1),
    *both("Recorder.running", 1),
    *both("Recorder.waiting", 1),
    *both("Recorder.close", 1, RUNS),
    *both("SqlJournal.finished", 1),
    *both("KafkaSource.commit", 1),
    *both("SqliteDatabase.commit", 1, 2, 3),
]
POSTGRES_POINTS = [
    *both("Recorder.begin", 1),
    *both("ScrewdriverClient.create_event", 1),
    *both("Recorder.waiting", 1),
    *both("Recorder.close", 1),
    *both("SqlJournal.finished", 1),
    *both("KafkaSource.commit", 1),
    *both("PostgresDatabase.commit", 2),
]
AMID = Point("ScrewdriverClient.create_event", "after", RUNS // 2)
UNSTARTED = Point("ScrewdriverClient.create_event", "before", 1)  # with the intent written
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

    killed: list[int]
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
        return killed_and_restarted([point], three_incidents(folder, broker, server), server)


def killed_twice(point: Point, folder: Path) -> Seen:
    """The same; the first process dies while it starts jobs, the second one while it takes them up."""
    topics = {TOPIC: 2, DEAD_LETTERS: 1}
    with ScrewdriverStandin(job_seconds=0.3) as server, EmbeddedBroker(topics) as broker:
        starts_anew = point.step in ("ScrewdriverClient.create_event", "Recorder.running")
        first = UNSTARTED if starts_anew else AMID
        return killed_and_restarted([first, point], three_incidents(folder, broker, server), server)


def on_postgres(point: Point, folder: Path) -> Seen:
    """The same with a store on PostgreSQL."""
    topics = {TOPIC: 2, DEAD_LETTERS: 1}
    with (
        ScrewdriverStandin(job_seconds=0.3) as server,
        EmbeddedBroker(topics) as broker,
        closing(PostgresStore(os.environ["TEST_POSTGRES"])) as store,
    ):
        return killed_and_restarted([point], three_incidents(folder, broker, server, store=store.url), server)


def three_incidents(folder: Path, broker: EmbeddedBroker, server: ScrewdriverStandin, **config: str) -> Pod:
    pod = Pod(folder, broker.address, {**screwdriver(server), **config})
    pod.publish(incident(0), POISON, incident(1), partition=0)
    pod.publish(incident(2), partition=1)
    return pod


def bad_jobs(point: Point, folder: Path) -> Seen:
    """One incident whose jobs all fail, and are tried twice."""
    with ScrewdriverStandin(job_seconds=0.2) as server, EmbeddedBroker({TOPIC: 2, DEAD_LETTERS: 1}) as broker:
        server.outcomes["fix"] = "FAILURE"
        config = screwdriver(server)
        config["actions"][0].update(retry_count=1, retry_delay=0.2)
        pod = Pod(folder, broker.address, config)
        pod.publish(incident(0))
        return killed_and_restarted([point], pod, server)


def killed_and_restarted(points: Sequence[Point], pod: Pod, server: ScrewdriverStandin) -> Seen:
    """One process for each point, which dies there, and a last one that goes on to the end."""
    killed = []
    try:
        for point in points:
            at_the_end = point.step in ("KafkaSource.commit_sync", "KafkaSource.close")
            command = (sys.executable, str(SCRIPT), point.step, point.moment, str(point.number))
            process = pod.start(*(["--once"] if at_the_end else []), command=command)
            killed.append(pod.ended(process).code)
        restarted = pod.once()
        return Seen(
            killed,
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
    *((killed_twice, point) for point in RECOVERY_POINTS),
    *((on_postgres, point) for point in POSTGRES_POINTS),
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


Scenarios = dict[tuple[Scenario, Point], Future[Seen]]


def of(scenario: Scenario, points: Sequence[Point]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("scenario", "point"), [(scenario, point) for point in points], ids=map(str, points)
    )


@of(good_jobs, POINTS)
def test_a_killed_service_loses_nothing_and_starts_nothing_twice(
    scenario: Scenario, point: Point, scenarios: Scenarios
):
    """Turns red when a run that was left `running` is started without being looked up."""
    all_is_done_once(scenarios[scenario, point].result())


@of(killed_twice, RECOVERY_POINTS)
def test_a_service_that_is_killed_again_while_it_takes_up_loses_nothing_and_starts_nothing_twice(
    scenario: Scenario, point: Point, scenarios: Scenarios
):
    """Turns red when orphans are taken over by deleting their message before it is handled."""
    all_is_done_once(scenarios[scenario, point].result())


@pytest.mark.skipif("TEST_POSTGRES" not in os.environ, reason="TEST_POSTGRES is not set")
@of(on_postgres, POSTGRES_POINTS)
def test_another_process_takes_over_from_a_killed_one_on_postgresql(
    scenario: Scenario, point: Point, scenarios: Scenarios
):
    """Turns red when a run of a process that is gone is never adopted."""
    all_is_done_once(scenarios[scenario, point].result())


def all_is_done_once(seen: Seen) -> None:
    assert set(seen.killed) == {-signal.SIGKILL}, "it was not killed: the step was never reached"
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


@of(bad_jobs, RETRY_POINTS)
def test_a_killed_service_has_no_try_more_and_none_less(
    scenario: Scenario, point: Point, scenarios: Scenarios
):
    """Turns red when the number of the attempt is not in the journal."""
    seen = scenarios[scenario, point].result()

    assert seen.killed == [-signal.SIGKILL], "it was not killed: the step was never reached"
    assert seen.restarted.code == 1, seen.restarted.err
    alerts = [f"INC-0-a{n}" for n in range(ALERTS)]
    assert seen.jobs == sorted(alerts * 2)
    assert set(seen.keys.values()) == {1}
    tries = [(run.alert_id, run.status, run.attempt) for run in seen.runs if run.action == "fix"]
    assert sorted(tries) == [(alert, RunStatus.FAILED, 2) for alert in alerts]
    assert seen.committed == seen.ends == {0: 1}
