"""The lease of a process on PostgreSQL: kept up by a thread, lost by our own clock, judged by the others' own clocks.

A process is *suspended* when its lease is over, and *gone* when besides its session's lock is free: the server frees
it when the process dies or its host vanishes, but not when it only stands still. Nobody compares wall clocks: each
process watches the others' beats and measures by its own clock how long one has been missing. So it can only judge
after it has watched, over an unbroken connection, for a whole lease; after a restart of the database all have that
time to come back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import psycopg

from automation_consumer.errors import StoreError
from automation_consumer.logs import get_logger
from automation_consumer.store.session import Connection, mapped
from automation_consumer.store.watch import Beat, Watch

_log = get_logger(__name__)

LOOK_S: Final = 0.5  # between two looks at the others at most
CLOSE_S: Final = 1.5

# The lock's key: the table's number in the upper half, so that two journals in one database don't meet, ours below.
_KEY: Final = "(('processes'::regclass::oid::bigint << 32) | %s)"
_HELD: Final = (
    "locktype = 'advisory' AND granted AND objsubid = 1 AND classid = 'processes'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_BEAT: Final = f"""
    INSERT INTO processes (number, name, instance, started_at, state, beat) VALUES (%s, %s, %s, %s, 'alive', 1)
    ON CONFLICT (number) DO UPDATE SET state = 'alive', beat = processes.beat + 1
    WHERE processes.instance = excluded.instance
    RETURNING EXISTS (SELECT 1 FROM pg_locks WHERE {_HELD} AND objid = %s::oid AND pid = pg_backend_pid())"""
_OTHERS: Final = f"""
    SELECT number, beat, state, number::oid IN (SELECT objid FROM pg_locks WHERE {_HELD})
    FROM processes WHERE state <> 'gone' AND number <> %s"""


class Keeper:
    """See `Lease`. The first beat is made here: StoreError when that is impossible. Blocks."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        name: str,
        instance: str,
        lease_s: float,
        elapsed: Callable[[], float],
        now: float,
    ) -> None:
        self._connect = connect
        self._name = name
        self._instance = instance
        self._lease_s = lease_s
        self._margin_s = lease_s / 10  # for clocks that do not run equally fast
        self._elapsed = elapsed
        self._started_at = now
        self._watch = Watch(lease_s)
        self._valid_until = float("-inf")
        self.term = -1  # the first beat begins the first term
        self._beat_at = float("-inf")
        self._stop = threading.Event()
        self._session: Connection | None = None
        self.process = 0
        try:
            session = connect()
            self.process = self._enter(session)
            self._attach(session)
        except psycopg.Error as error:
            raise mapped(error) from error
        self._thread = threading.Thread(target=self._work, name="lease", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether there is a session, and the last beat went through in time (a server that hangs closes nothing)."""
        return self._session is not None and self._elapsed() - self._beat_at < self._lease_s / 2

    def held(self) -> bool:
        return self._elapsed() < self._valid_until and not self._stop.is_set()

    def release(self) -> None:
        self._stop.set()
        self._thread.join(CLOSE_S)

    # --- the thread --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        pause = min(LOOK_S, self._lease_s / 10)
        while not self._stop.wait(pause):
            try:
                if self._session is None:
                    self._attach(self._connect())
                    _log.warning("the lease is kept up again", event="lease.back")
                self._round(self._session)
            except (psycopg.Error, StoreError) as error:
                self._detach(error)
        self._leave()

    def _round(self, session: Connection | None) -> None:
        if session is None:
            return
        if self._elapsed() - self._beat_at >= self._lease_s / 5:
            self._beat(session)
        rows = session.execute(_OTHERS, (self.process,)).fetchall()
        for beat, state in self._watch.judge([Beat(*row) for row in rows], self._elapsed()):
            # Only if nothing has been heard of it meanwhile.
            judged = session.execute(
                "UPDATE processes SET state = %s WHERE number = %s AND beat = %s AND state <> 'gone'",
                (state, beat.process, beat.number),
            )
            if judged.rowcount:
                _log.warning("process %d is %s", beat.process, state, event=f"lease.{state}")

    def _enter(self, session: Connection) -> int:
        session.execute("DELETE FROM batches WHERE process NOT IN (SELECT number FROM processes)")
        row = session.execute(
            "INSERT INTO processes (name, instance, started_at, state) VALUES (%s, %s, %s, 'alive') RETURNING number",
            (self._name, self._instance, self._started_at),
        ).fetchone()
        if row is None:
            raise StoreError("PostgreSQL gives this process no number")
        return int(row[0])

    def _attach(self, session: Connection) -> None:
        """Take the lock in a new session, and beat. What was watched over the old session counts no more."""
        try:
            self._lock(session)
            self._watch.forget()
            self._beat(session)
        except (psycopg.Error, StoreError):
            session.close()
            raise
        self._session = session

    def _lock(self, session: Connection) -> None:
        # A session of ours that broke may live on at the server for a while.
        session.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {_HELD} AND objid = %s::oid"
            " AND pid <> pg_backend_pid()",
            (self.process,),
        )
        session.execute("SET lock_timeout = '5s'")
        session.execute(f"SELECT pg_advisory_lock({_KEY})", (self.process,))

    def _beat(self, session: Connection) -> None:
        sent = self._elapsed()
        row = session.execute(
            _BEAT, (self.process, self._name, self._instance, self._started_at, self.process)
        ).fetchone()
        if row is None:
            raise StoreError(
                f"process number {self.process} was given to another process: the database has forgotten us",
                hint="it was restored from an older copy? restart this process",
            )
        if not row[0]:
            raise StoreError(
                "our session's lock is lost although the connection stands",
                hint="a pooler in transaction mode between us and PostgreSQL? the store needs a direct connection",
            )
        self._beat_at = sent
        if sent > self._valid_until:
            self.term += 1  # before it holds again: whoever looks meanwhile may not act
        self._valid_until = sent + self._lease_s - self._margin_s

    def _detach(self, error: Exception) -> None:
        session, self._session = self._session, None
        if session is not None:
            _log.error("the lease cannot be kept up: %s", error, event="lease.away")
            session.close()

    def _leave(self) -> None:
        session = self._session
        if session is None:
            return
        try:
            session.execute("UPDATE processes SET state = 'gone' WHERE number = %s", (self.process,))
            session.close()
        except psycopg.Error as error:
            _log.warning("the lease is not given up, it runs out: %s", error, event="lease.away")
