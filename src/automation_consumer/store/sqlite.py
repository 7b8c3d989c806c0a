"""The journal on SQLite (WAL, every commit synced), for one process."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from importlib import resources
from pathlib import Path
from typing import IO, Any

from automation_consumer.clock import Clock
from automation_consumer.errors import StoreError
from automation_consumer.model.run import OPEN, Run, RunChange, RunStatus
from automation_consumer.store.journal import CHANGEABLE, RunFilter
from automation_consumer.store.rows import INSERT, SELECT, change_from_row, from_row, to_column, to_row
from automation_consumer.store.writer import GroupWriter

_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN))


class SqliteJournal:
    """See `Journal`. Only one process may have it open; a second one is refused."""

    def __init__(
        self,
        path: str,
        clock: Clock,
        on_commit: Callable[[int, float], None] = lambda operations, seconds: None,
    ) -> None:
        with ExitStack() as opened:
            self._lock = opened.enter_context(_lock(path))
            try:
                connection = opened.enter_context(closing(_connect(path)))
                migrate(connection)
                self._known = _first_column(connection, "SELECT DISTINCT incident_id FROM runs WHERE live")
                self._inactive = _first_column(connection, "SELECT incident_id FROM inactive_incidents")
            except sqlite3.Error as error:
                raise StoreError(f"the journal {path} cannot be opened: {error}") from error
            opened.pop_all()
        self._writer = GroupWriter(connection, clock, on_commit)

    def knows(self, incident_id: str) -> bool:
        return incident_id in self._known

    async def open(self, run: Run) -> Run:
        self._known.add(run.incident_id)
        return await self._writer.do(lambda db: _open(db, run))

    async def change(self, run_id: str, to: RunStatus, at: float, detail: str = "", **fields: Any) -> bool:
        unknown = set(fields) - CHANGEABLE
        if unknown:
            raise StoreError(f"these fields of a run never change: {', '.join(sorted(unknown))}")
        return await self._writer.do(lambda db: _change(db, run_id, to, at, detail, fields))

    async def live_runs(self, incident_id: str) -> list[Run]:
        return await self._writer.do(
            lambda db: _runs(db, "WHERE incident_id = ? AND live ORDER BY created_at", (incident_id,))
        )

    async def last_success(self, action: str, target: str) -> float | None:
        query = "SELECT max(ended_at) FROM runs WHERE action = ? AND target = ? AND status = 'succeeded'"
        found: tuple[float | None] = await self._writer.do(
            lambda db: db.execute(query, (action, target)).fetchone()
        )
        return found[0]

    async def note_activity(self, incident_id: str, active: bool) -> None:
        if incident_id not in self._known or active == (incident_id not in self._inactive):
            return
        if not active:
            self._inactive.add(incident_id)
            await self._writer.do(
                lambda db: db.execute("INSERT OR IGNORE INTO inactive_incidents VALUES (?)", (incident_id,))
            )
            return
        self._inactive.discard(incident_id)
        await self._writer.do(lambda db: _end_activation(db, incident_id))

    async def open_runs(self) -> list[Run]:
        return await self._writer.do(
            lambda db: _runs(db, f"WHERE status IN ({_OPEN}) ORDER BY created_at", ())
        )

    def close(self) -> None:
        self._writer.close()
        self._lock.close()


class SqliteReader:
    """See `JournalReader`: a connection of its own that never writes."""

    def __init__(self, path: str) -> None:
        if not Path(path).exists():
            raise StoreError(f"there is no journal at {path}", hint="has the service run with this store?")
        try:
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
            self._db.execute("SELECT 1 FROM runs LIMIT 1")
        except sqlite3.Error as error:
            raise StoreError(f"the journal {path} cannot be read: {error}") from error

    def runs(self, which: RunFilter) -> list[Run]:
        wanted: dict[str, Any] = {"incident_id": which.incident_id, "status": which.status}
        clauses = [f"{name} = :{name}" for name, value in wanted.items() if value is not None]
        where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
        order = "ORDER BY created_at DESC, id LIMIT :limit"
        return _runs(self._db, where + order, {**wanted, "limit": which.limit})

    def run(self, run_id: str) -> Run | None:
        found = _runs(self._db, "WHERE id >= ? AND id < ? LIMIT 2", (run_id, run_id + "\uffff"))
        exact = [run for run in found if run.id == run_id]
        return exact[0] if exact else found[0] if len(found) == 1 else None

    def changes(self, run_id: str) -> list[RunChange]:
        query = "SELECT at, status, detail FROM run_changes WHERE run_id = ? ORDER BY rowid"
        return [change_from_row(row) for row in self._db.execute(query, (run_id,))]

    def close(self) -> None:
        self._db.close()


def _first_column(db: sqlite3.Connection, query: str) -> set[str]:
    return {row[0] for row in db.execute(query)}


def _lock(path: str) -> IO[str]:
    """Hold the journal for this process; the kernel lets go of it however the process ends."""
    name = Path(f"{path}.lock")
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
        handle = name.open("a")
    except OSError as error:
        raise StoreError(f"the journal {path} cannot be opened: {error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StoreError(
            f"the journal {path} is in use by another process",
            hint="one process per SQLite journal: stop the other one, or give each its own store",
        ) from error
    return handle


def _connect(path: str) -> sqlite3.Connection:
    # autocommit: the writer says BEGIN and COMMIT itself. The connection moves to the writer's thread.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "PRAGMA synchronous = FULL"
    )  # a run must be known after a power cut, not only after a kill
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date: the numbered files of `migrations/`, each once, in one transaction each."""
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    files = sorted(
        (
            file
            for file in (resources.files(__package__) / "migrations").iterdir()
            if file.name.endswith(".sql")
        ),
        key=lambda file: file.name,
    )
    if done > len(files):
        raise StoreError(
            "the journal was written by a newer version of automation-consumer",
            hint="run that version, or start with another store",
        )
    for number, file in enumerate(files, start=1):
        if number > done:
            connection.executescript(f"BEGIN; {file.read_text()} PRAGMA user_version = {number}; COMMIT;")


def _open(db: sqlite3.Connection, run: Run) -> Run:
    if db.execute(INSERT, to_row(run)).rowcount == 0:
        return _runs(db, "WHERE id = ?", (run.id,))[0]
    _note(db, run.id, run.created_at, run.status, run.reason)
    return run


def _change(
    db: sqlite3.Connection, run_id: str, to: RunStatus, at: float, detail: str, fields: dict[str, Any]
) -> bool:
    columns = {"status": to, **{name: to_column(name, value) for name, value in fields.items()}}
    assignments = ", ".join(f"{name} = ?" for name in columns)
    query = f"UPDATE runs SET {assignments} WHERE id = ? AND status IN ({_OPEN})"  # noqa: S608 - our own names only
    if db.execute(query, (*columns.values(), run_id)).rowcount == 0:
        return False
    _note(db, run_id, at, to, detail)
    return True


def _note(db: sqlite3.Connection, run_id: str, at: float, status: RunStatus, detail: str) -> None:
    db.execute("INSERT INTO run_changes VALUES (?, ?, ?, ?)", (run_id, at, status, detail))


def _end_activation(db: sqlite3.Connection, incident_id: str) -> None:
    db.execute("DELETE FROM inactive_incidents WHERE incident_id = ?", (incident_id,))
    db.execute(f"UPDATE runs SET live = 0 WHERE incident_id = ? AND status NOT IN ({_OPEN})", (incident_id,))  # noqa: S608 - our own words


def _runs(db: sqlite3.Connection, rest: str, values: Iterable[Any] | dict[str, Any]) -> list[Run]:
    return [from_row(row) for row in db.execute(f"{SELECT} {rest}", values)]  # type: ignore[arg-type]
