"""A burst: far more messages at once than may be in flight, most of them on one partition. Nothing piles up, nobody starves."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from tests.acceptance.pages import Pages
from tests.acceptance.pod import DEAD_LETTERS, TOPIC, Pod, incident

from automation_consumer.pipeline.pressure import BATCH
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

NOISY, QUIET = 4_200, 600
MESSAGES = {0: NOISY, 1: QUIET, 2: QUIET, 3: QUIET}
TOTAL = sum(MESSAGES.values())
LIMIT = 200
MIB = 2**20
SLOW = {
    "limits": {"max_in_flight_incidents": LIMIT},
    "service": {"port": 0, "log_level": "warning", "log_format": "json"},
    "actions": [{"name": "slow", "type": "wait", "duration": 0.1}],
    "incident_conditions": [
        {"name": "every", "match": {"status": "critical"}, "incident_actions": ["slow"]},
    ],
}


class Moment(NamedTuple):
    """What was seen while it worked."""

    in_flight: int  # as it says itself
    open_runs: int  # as its journal says
    resident: int  # bytes


class Burst(NamedTuple):
    """The whole run."""

    code: int
    moments: list[Moment]
    ended: list[tuple[int, int, str]]  # partition, offset and status of every run, in the order of their ends
    committed: dict[int, int]


@pytest.fixture(scope="module")
def burst(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Burst]:
    """One process handles all of it."""
    folder = tmp_path_factory.mktemp("burst")
    with EmbeddedBroker({TOPIC: len(MESSAGES), DEAD_LETTERS: 1}) as broker:
        pod = Pod(folder / "pod", broker.address, SLOW, partitions=len(MESSAGES))
        try:
            for partition, count in MESSAGES.items():
                pod.publish(
                    *(incident(f"{partition}-{n}", alerts=1) for n in range(count)), partition=partition
                )
            process = pod.start()
            moments = list(seen(pod, process, folder / "pod" / "journal.db"))
            code = pod.terminate(process).code
            yield Burst(code, moments, ended(folder / "pod" / "journal.db"), pod.committed())
        finally:
            pod.close()


def seen(pod: Pod, process: subprocess.Popen[bytes], journal: Path) -> Iterator[Moment]:
    """One look after the other, until every message has a run that has ended."""
    pages, resident = Pages(pod), psutil.Process(process.pid)
    pod.until(lambda: bool(pod.runs()), "the first run")
    for _ in range(1_000):
        in_flight = int(pages.metric("automation_incidents_in_flight"))
        [(runs, done)] = query(journal, "SELECT count(*), count(ended_at) FROM runs")
        yield Moment(in_flight, runs - done, resident.memory_info().rss)
        if done >= TOTAL:
            return
        time.sleep(0.1)
    pytest.fail(f"it did not end:\n{pod.said[-4000:]}")


def query(journal: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def ended(journal: Path) -> list[tuple[int, int, str]]:
    return query(journal, 'SELECT "partition", "offset", status FROM runs ORDER BY ended_at')


def test_nothing_is_lost_and_nothing_is_done_twice(burst: Burst):
    """Red when a full intake drops what it was given instead of pausing."""
    assert burst.code == 0
    assert Counter(burst.ended) == Counter(
        (partition, offset, "succeeded") for partition, count in MESSAGES.items() for offset in range(count)
    )
    assert burst.committed == MESSAGES


def test_no_more_is_in_flight_than_the_limit_and_one_batch(burst: Burst):
    """Red without back-pressure: all 6,000 are taken at once."""
    share = LIMIT // len(MESSAGES)
    assert max(each.in_flight for each in burst.moments) <= LIMIT + min(BATCH, share)
    assert max(each.open_runs for each in burst.moments) <= LIMIT + min(BATCH, share)
    assert max(each.in_flight for each in burst.moments) > LIMIT / 2  # it was full, so this says something


def test_memory_stays_where_it_is(burst: Burst):
    """Red without back-pressure: what waits in the process costs some kilobytes each."""
    first, most = burst.moments[0].resident, max(each.resident for each in burst.moments)
    assert most < first + 16 * MIB


def test_one_noisy_partition_does_not_keep_back_the_others(burst: Burst):
    """Red when the limit is one pool for all partitions: the noisy one fills it, and the others wait for it."""
    place = {(partition, offset): number for number, (partition, offset, _) in enumerate(burst.ended)}
    halfway = place[0, NOISY // 2]
    for partition in (1, 2, 3):
        assert max(place[partition, offset] for offset in range(QUIET)) < halfway
