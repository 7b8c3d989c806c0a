"""The journal on SQLite (WAL, every commit synced), for one process at a time."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from automation_consumer.clock import Clock
from automation_consumer.errors import StoreError
from automation_consumer.store import known, schema
from automation_consumer.store.database import AwayError, Note
from automation_consumer.store.known import KnownIncidents
from automation_consumer.store.reader import SqlReader
from automation_consumer.store.sql_journal import SqlJournal
from automation_consumer.store.writer import GroupWriter

# What may pass: busy, locked, no memory, read-only, I/O error, full, cannot open, locking protocol.
_PASSING: Final = frozenset({5, 6, 7, 8, 10, 13, 14, 15})
_HINTS: Final = {
    13: "free some space on its disk",
    8: "its file or disk is read-only",
    10: "look at its disk",
}
_NOTE: Final = "INSERT INTO run_changes SELECT ?, ?, ?, ? WHERE changes() > 0"


class Rows:
    """See `Result`."""

    __slots__ = ("count", "rows")

    def __init__(self, count: int, rows: list[tuple[Any, ...]]) -> None:
        self.count = count
        self.rows = rows


class SqliteDatabase:
    """See `Database`. A failed write of a full disk is undone by SQLite; the connection stays usable."""

    skip_locked = ""
    at_once = True

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        try:
            cursor = self._connection.execute(statement, values)
            return Rows(cursor.rowcount, cursor.fetchall())
        except sqlite3.Error as error:
            raise self._mapped(error) from error

    def noted(self, statement: str, values: Sequence[Any], note: Note) -> Rows:
        self.execute(statement, values)
        return self.execute(_NOTE, note)

    def begin(self, number: int) -> None:
        self.execute("BEGIN IMMEDIATE")

    def flush(self) -> bool:
        return True

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:  # the next BEGIN says what is wrong
            return

    def reconnect(self) -> None:
        """Nothing: the file is still open."""

    def close(self) -> None:
        try:
            self._connection.close()
        except sqlite3.Error:  # everything that matters is committed
            return

    def _mapped(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _PASSING:
            return AwayError(
                f"the journal {self._path} cannot be written now: {error}", hint=_HINTS.get(code)
            )
        return StoreError(f"the journal {self._path} cannot be used: {error}")


class FileLock:
    """A lease that the kernel keeps: only one process has the file locked, and a dead one never."""

    connected = True
    term = 0

    def __init__(self, path: str) -> None:
        name = Path(f"{path}.lock")
        try:
            name.parent.mkdir(parents=True, exist_ok=True)
            self._handle: IO[str] = name.open("a")
        except OSError as error:
            raise StoreError(f"the journal {path} cannot be opened: {error}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._handle.close()
            raise StoreError(
                f"the journal {path} is in use by another process",
                hint="one process per SQLite journal: stop the other one, or share a PostgreSQL (store: postgresql://…)",
            ) from error

    def held(self) -> bool:
        return not self._handle.closed

    def release(self) -> None:
        self._handle.close()


class SqliteJournal(SqlJournal):
    """See `Journal`. Only one process may have it open; a second one is refused, and all before it are gone."""

    def __init__(
        self,
        path: str,
        clock: Clock,
        on_commit: Callable[[int, float], None] = lambda operations, seconds: None,
        *,
        name: str = "",
        announces: bool = False,
    ) -> None:
        with ExitStack() as opened:
            lease = FileLock(path)
            opened.callback(lease.release)
            try:
                connection = opened.enter_context(closing(connect(path)))
                connection.execute("PRAGMA journal_mode = WAL")
                # A run must be known after a power cut, not only after a kill.
                connection.execute("PRAGMA synchronous = FULL")
                migrate(connection, schema.migrations("sqlite"))
                process = _enter(connection, name, clock.now())
                incidents = KnownIncidents(
                    _first_column(connection, known.ALL), _first_column(connection, known.INACTIVE)
                )
            except sqlite3.Error as error:
                raise StoreError(f"the journal {path} cannot be opened: {error}") from error
            opened.pop_all()
        writer = GroupWriter(SqliteDatabase(connection, path), clock, on_commit)
        super().__init__(process, writer, lease, incidents, shared=False, announces=announces)


class SqliteReader(SqlReader):
    """See `JournalReader`: a connection of its own beside the service's."""

    def __init__(self, path: str) -> None:
        if not Path(path).exists():
            raise StoreError(f"there is no journal at {path}", hint="has the service run with this store?")
        try:
            connection = connect(f"file:{quote(path)}?mode=rw", uri=True)
            try:
                schema.check_readable(schema.migrations("sqlite"), applied(connection))
            except StoreError:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise StoreError(f"the journal {path} cannot be read: {error}") from error
        super().__init__(SqliteDatabase(connection, path))


def connect(path: str, *, uri: bool = False) -> sqlite3.Connection:
    """A connection in autocommit (who writes says BEGIN and COMMIT), for one thread at a time. Waits 10 s for others."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10, uri=uri)


def applied(connection: sqlite3.Connection) -> dict[int, int]:
    """The schema's versions that this file has: number → the oldest version of the code that can work on it."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").fetchone():
        return dict(connection.execute("SELECT number, works_from FROM schema_versions"))
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    return {each: each for each in range(1, number + 1)}  # version 1 counted like this


def migrate(connection: sqlite3.Connection, wanted: list[schema.Migration]) -> None:
    """Bring the schema up to date, each file in one transaction. StoreError when it is newer than the code allows."""
    done = applied(connection)
    due = schema.missing(wanted, done)
    if not due:
        return
    connection.execute(schema.TABLE)
    for number, works_from in done.items():
        name = wanted[number - 1].name
        connection.execute(
            "INSERT OR IGNORE INTO schema_versions VALUES (?, ?, ?)", (number, name, works_from)
        )
    for each in due:
        # Version 1 refuses a file whose user_version is greater than its own: it has to be the oldest that works.
        connection.executescript(
            f"BEGIN; {each.sql}; INSERT INTO schema_versions VALUES ({each.number}, '{each.name}', {each.works_from});"
            f" PRAGMA user_version = {each.works_from}; COMMIT;"
        )


def _enter(connection: sqlite3.Connection, name: str, now: float) -> int:
    """Take the next number. Whoever had the file open before is gone: its lock was free."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE processes SET state = 'gone'")
    number = connection.execute(
        "INSERT INTO processes (name, started_at, state) VALUES (?, ?, 'alive')", (name, now)
    ).lastrowid
    connection.execute("COMMIT")
    return int(number or 0)


def _first_column(connection: sqlite3.Connection, query: str) -> set[str]:
    return {row[0] for row in connection.execute(query)}
