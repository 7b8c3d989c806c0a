"""Real processes on one PostgreSQL: frozen, killed, ended; and how one judges another."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.contract.journal.samples import a_message
from tests.contract.journal.stores import PostgresStore

from automation_consumer.clock import SystemClock
from automation_consumer.store.open import open_journal
from automation_consumer.store.watch import Beat, Watch

LEASE_S = 2.0


class Replica:
    """A child process."""

    def __init__(self, url: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.journal.replica", url, str(LEASE_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.process = int(self._answer())

    def _answer(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline().strip()

    def ask(self, order: str) -> str:
        assert self._child.stdin is not None
        self._child.stdin.write(order + "\n")
        self._child.stdin.flush()
        return self._answer()

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def end(self) -> None:
        self._child.kill()
        self._child.communicate()


@pytest.fixture
def replica(postgres_store: PostgresStore) -> Iterator[Replica]:
    child = Replica(postgres_store.url)
    yield child
    child.end()


@pytest.fixture
async def journal(postgres_store: PostgresStore):
    journal = open_journal(postgres_store.url, SystemClock(), name="survivor", lease_s=LEASE_S)
    yield journal
    journal.close()


async def adopted(journal, run_id: str, limit_s: float) -> float:
    """Adopt it as soon as that is possible; how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(limit_s):
        while await journal.adopt(await journal.find(run_id)) is None:
            await asyncio.sleep(0.05)
    return time.monotonic() - started


@pytest.mark.server
async def test_what_a_killed_process_had_is_taken_over_within_lease_and_two_seconds(replica, journal):
    """Red when nobody judges, or only the server's time-outs do."""
    await asyncio.sleep(LEASE_S)  # a newcomer may not judge before it has watched for a lease
    assert await journal.adopt(await journal.find("waiting")) is None
    replica.signal(signal.SIGKILL)
    assert await adopted(journal, "running", 20.0) <= LEASE_S + 2.0
    assert await adopted(journal, "waiting", 1.0) < 1.0
    assert await journal.orphans(10) == [a_message()]


@pytest.mark.server
async def test_a_frozen_process_keeps_what_may_be_acting_and_is_fenced_from_the_rest(replica, journal):
    """Red when an open session is not taken for a sign of life, or an old fence is accepted."""
    replica.signal(signal.SIGSTOP)
    await adopted(journal, "waiting", 20.0)
    assert await journal.orphans(10) == [a_message()]
    ends = time.monotonic() + 2 * LEASE_S
    while time.monotonic() < ends:
        assert await journal.adopt(await journal.find("running")) is None
        await asyncio.sleep(0.1)
    replica.signal(signal.SIGCONT)
    assert replica.ask("end waiting") == "fenced"
    assert replica.ask("end running") == "True"
    async with asyncio.timeout(20):
        while replica.ask("may act") != "True":  # it has renewed its lease
            await asyncio.sleep(0.05)


@pytest.mark.server
async def test_a_process_that_wakes_up_knows_at_once_that_it_may_not_act(replica, journal, postgres_store):
    """Red when the lease is not measured by our own clock: the database is not asked in between."""
    replica.signal(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S)
    # The keeper cannot renew it while its row is locked.
    with psycopg.connect(postgres_store.url) as blocker:
        blocker.execute("SELECT * FROM processes WHERE number = %s FOR UPDATE", (replica.process,))
        replica.signal(signal.SIGCONT)
        assert replica.ask("may act") == "False"


@pytest.mark.server
async def test_what_a_process_had_that_ended_well_is_free_at_once(replica, journal):
    """Red when `close` leaves the lease to run out."""
    replica.ask("close")
    assert await adopted(journal, "running", 20.0) < LEASE_S / 2


@pytest.mark.server
async def test_a_lost_session_does_not_cost_the_lease_if_it_is_made_anew_in_time(journal, postgres_store):
    """Red when the keeper does not reconnect, or others judge by the missing session alone."""
    other = open_journal(postgres_store.url, SystemClock(), name="other", lease_s=LEASE_S)
    for _ in range(3):
        postgres_store.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
            " AND pid <> pg_backend_pid()",
            postgres_store.schema,
        )
        await asyncio.sleep(1.0)
        assert other.may_act()
        assert journal.may_act()
    assert {row[0] for row in postgres_store.execute("SELECT state FROM processes")} == {"alive"}
    other.close()


def beat(number: int, *, state: str = "alive", connected: bool = True) -> Beat:
    return Beat(7, number, state, connected)


def looks(watch: Watch, seen: Beat, since: float, until: float) -> float | None:
    """Look every second; when the process was judged."""
    now = since
    while now <= until:
        if watch.judge([seen], now):
            return now
        now += 1.0
    return None


def test_a_process_is_judged_after_a_whole_lease_without_a_beat():
    watch = Watch(15.0)
    assert looks(watch, beat(1), 100.0, 130.0) == 115.0
    assert watch.judge([beat(1)], 116.0) == [(beat(1), "suspended")]
    assert watch.judge([beat(1, state="suspended")], 117.0) == []
    gone = beat(1, state="suspended", connected=False)
    assert watch.judge([gone], 118.0) == [(gone, "gone")]
    assert watch.judge([beat(2, connected=False)], 119.0) == []


def test_after_a_restart_of_the_database_everybody_has_a_lease_to_come_back():
    """Red when what was seen before counts on."""
    watch = Watch(15.0)
    assert looks(watch, beat(1), 100.0, 114.0) is None
    watch.forget()
    assert looks(watch, beat(1, connected=False), 115.0, 140.0) == 130.0


def test_who_stood_still_does_not_judge_by_the_time_it_has_missed():
    """Red when a process that was frozen together with the others takes their silence for their end."""
    watch = Watch(15.0)
    assert looks(watch, beat(1), 100.0, 105.0) is None
    assert looks(watch, beat(1, connected=False), 300.0, 330.0) == 315.0
