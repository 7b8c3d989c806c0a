"""The journal on PostgreSQL, shared by replicas."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any, Final

import psycopg

from automation_consumer.clock import Clock, boottime
from automation_consumer.errors import StoreError
from automation_consumer.logs import get_logger
from automation_consumer.store import known, schema
from automation_consumer.store.database import AwayError, Database, Note, Reading
from automation_consumer.store.known import KnownIncidents
from automation_consumer.store.lease import Keeper
from automation_consumer.store.reader import SqlReader
from automation_consumer.store.session import Connection, account, address, connect, mapped
from automation_consumer.store.sql_journal import SqlJournal
from automation_consumer.store.writer import GroupWriter

_log = get_logger(__name__)

_MIGRATING: Final = 0x6A6F75726E616C  # of the advisory lock: one process changes the schema at a time


class Answer:
    """See `Result`. Within a pipeline it is awaited when somebody looks."""

    __slots__ = ("_cursor", "_rows", "_whose")

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]], whose: str) -> None:
        self._cursor = cursor
        self._whose = whose
        self._rows: list[tuple[Any, ...]] | None = None

    @property
    def count(self) -> int:
        return self._cursor.rowcount

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        if self._rows is None:
            try:
                self._rows = self._cursor.fetchall()
            except psycopg.Error as error:
                raise mapped(error, self._whose) from error
        return self._rows


class PostgresDatabase:
    """See `Database`. Between `begin` and `flush` statements go out without awaiting answers (libpq's pipeline mode)."""

    skip_locked = "FOR UPDATE SKIP LOCKED"
    at_once = False

    def __init__(self, url: str, process: int = 0) -> None:
        self._url = url
        self._process = process
        self._number = 0
        self._connection: Connection = connect(url)
        self._whose = account(self._connection)
        self._identity = self._who_we_are()
        self._transaction = ExitStack()
        self._pipeline: psycopg.Pipeline | None = None
        self._last: Answer | None = None

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Answer:
        try:
            # Our own statements, with placeholders for every value.
            cursor = self._connection.execute(placed(statement), [_bound(each) for each in values])
        except psycopg.Error as error:
            raise mapped(error, self._whose) from error
        return Answer(cursor, self._whose)

    def noted(self, statement: str, values: Sequence[Any], note: Note) -> Answer:
        run_id, at, status, detail = note
        return self.execute(
            f"WITH written AS ({statement} RETURNING id)"
            " INSERT INTO run_changes (run_id, at, status, detail)"
            " SELECT ?, ?::double precision, ?, ? FROM written",
            (*values, run_id, at, status, detail),
        )

    def begin(self, number: int) -> None:
        self._number = number
        try:
            self._pipeline = self._transaction.enter_context(self._connection.pipeline())
        except psycopg.Error as error:
            raise mapped(error) from error
        self.execute("BEGIN")
        # This row says which of our transactions was the last. Locking it also waits for a COMMIT that may still be
        # under way in a session that broke.
        self._last = self.execute("SELECT number FROM batches WHERE process = ? FOR UPDATE", (self._process,))
        self.execute(
            "INSERT INTO batches (process, number) VALUES (?, ?)"
            " ON CONFLICT (process) DO UPDATE SET number = excluded.number WHERE batches.number < excluded.number",
            (self._process, number),
        )

    def flush(self) -> bool:
        self._sync()
        rows = self._last.rows if self._last is not None else []
        last = rows[0][0] if rows else 0
        if last < self._number - 1:
            _log.error(
                "the database has forgotten %d transactions that it had confirmed: it went over to a copy that was "
                "behind. Let it commit synchronously (synchronous_standby_names), or remote jobs may be started twice",
                self._number - 1 - last,
                event="journal.lost_writes",
            )
        return bool(last < self._number)

    def commit(self) -> None:
        self.execute("COMMIT")
        self._sync()
        self._leave_pipeline()

    def rollback(self) -> None:
        self._leave_pipeline()
        try:
            if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")
        except psycopg.Error:  # the connection is lost, and the transaction with it
            return

    def reconnect(self) -> None:
        self.close()
        self._connection = connect(self._url)
        # The server may not have noticed yet that the old session is dead; what it holds must not block us.
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ? AND backend_start = ?",
            self._identity,
        )
        self._identity = self._who_we_are()

    def close(self) -> None:
        try:
            self._connection.close()
        except psycopg.Error:
            return

    def _who_we_are(self) -> tuple[Any, ...]:
        """Our session at the server; a process id alone may be given to another session later."""
        query = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        return self.execute(query).rows[0]

    def _sync(self) -> None:
        if self._pipeline is None:
            return
        try:
            self._pipeline.sync()
        except psycopg.Error as error:
            raise mapped(error, self._whose) from error

    def _leave_pipeline(self) -> None:
        self._pipeline = None
        try:
            self._transaction.close()
        except psycopg.Error:  # what went wrong has been told already
            return


class PostgresJournal(SqlJournal):
    """See `Journal`. Any number of processes may have it open."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        on_commit: Callable[[int, float], None] = lambda operations, seconds: None,
        *,
        name: str = "",
        lease_s: float = 15.0,
        announces: bool = False,
    ) -> None:
        migrate(url)
        keeper = Keeper(lambda: connect(url), name, uuid.uuid4().hex, lease_s, boottime, clock.now())
        try:
            database = PostgresDatabase(url, keeper.process)
            newcomers = Newcomers()
            incidents = KnownIncidents(_all_known(database, newcomers), set(), newcomers.since_last)
        except StoreError:
            keeper.release()
            raise
        writer = GroupWriter(database, clock, on_commit)
        super().__init__(keeper.process, writer, keeper, incidents, shared=True, announces=announces)


class PostgresReader(SqlReader):
    """See `JournalReader`."""

    def __init__(self, url: str) -> None:
        database = PostgresDatabase(url)
        try:
            done = applied(database)
            if not done:
                raise StoreError(
                    f"there is no journal in {address(url)}", hint="has the service run with this store?"
                )
            schema.check_readable(schema.migrations("postgres"), done)
        except StoreError:
            database.close()
            raise
        super().__init__(database)


class Newcomers:
    """Reads the incidents of runs that were written since the last look, by whichever process.

    Transactions don't end in the order in which they begin, so each look begins where the oldest one that was still
    running at the last look began: what was read before may come again, and nothing is passed over.
    """

    def __init__(self) -> None:
        self._seen = "0"

    def since_last(self, db: Database) -> Reading[set[str]]:
        horizon = db.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
        found = db.execute("SELECT DISTINCT incident_id FROM runs WHERE written >= ?::xid8", (self._seen,))

        def read() -> set[str]:
            self._seen = horizon.rows[0][0]
            return {row[0] for row in found.rows}

        return read


def _all_known(database: PostgresDatabase, newcomers: Newcomers) -> set[str]:
    newcomers.since_last(database)()  # from now on; what follows reads all that there is
    return {row[0] for row in database.execute(known.ALL).rows}


def applied(database: PostgresDatabase) -> dict[int, int]:
    """The schema's versions that this database has: number → the oldest version of the code that can work on it."""
    if database.execute("SELECT to_regclass('schema_versions')").rows == [(None,)]:
        return {}
    return dict(database.execute("SELECT number, works_from FROM schema_versions").rows)


def migrate(url: str) -> None:
    """Bring the schema up to date; replicas that start together do it once. Needs no rights when nothing is due."""
    wanted = schema.migrations("postgres")
    database = PostgresDatabase(url)
    try:
        if not schema.missing(wanted, applied(database)):
            return
        database.execute("BEGIN")
        database.execute("SELECT pg_advisory_xact_lock(?)", (_MIGRATING,))
        database.execute(schema.TABLE)
        for each in schema.missing(wanted, applied(database)):
            database.execute(each.sql)
            database.execute(
                "INSERT INTO schema_versions VALUES (?, ?, ?)", (each.number, each.name, each.works_from)
            )
        database.execute("COMMIT")
    except AwayError as error:
        raise StoreError(f"the schema of {address(url)} cannot be brought up to date: {error}") from error
    finally:
        database.close()


@cache
def placed(statement: str) -> str:
    """The statement with psycopg's placeholders. Cached: there are some dozens."""
    return statement.replace("%", "%%").replace("?", "%s")


def _bound(value: Any) -> Any:
    """A value as PostgreSQL takes it: enums as their text, and no NUL in texts, which it can't store."""
    if isinstance(value, str):
        text = str(value)
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return value
