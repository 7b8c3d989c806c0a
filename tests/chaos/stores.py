"""The store of a scenario: a file of its own, or a database of its own on the real PostgreSQL."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict

from automation_consumer.errors import StoreError
from automation_consumer.model.run import Run
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.open import open_reader


class Store(Protocol):
    """Where the pods keep their journal."""

    url: str

    def close(self) -> None: ...


class SqliteStore:
    """A file in a folder that does not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store"
        self.url = f"sqlite:///{self.folder}/journal.db"

    def close(self) -> None:
        """Nothing: it goes with the folder."""


class PostgresStore:
    """A database, dropped at the end."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._name = f"chaos_{uuid.uuid4().hex[:8]}"
        given = conninfo_to_dict(server)
        self.url = f"postgresql://{given['user']}@{given['host']}:{given['port']}/{self._name}"
        self._tell(f"CREATE DATABASE {self._name}")

    def close(self) -> None:
        with suppress(psycopg.OperationalError):  # the server is down, by another scenario's doing
            self._tell(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")

    def cut_all(self) -> int:
        """End every session of this database, as a failover does: how many."""
        with psycopg.connect(self._server, autocommit=True) as session:
            return session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._name,)
            ).rowcount

    def a_session(self) -> int:
        """The process id, at the server, of one of the pods' sessions."""
        with psycopg.connect(self._server, autocommit=True) as session:
            row = session.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s LIMIT 1", (self._name,)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def number_of(self, pid: int) -> int | None:
        """The number that the journal has given to the pod of this process id."""
        with psycopg.connect(self.url, autocommit=True) as session:
            row = session.execute(
                "SELECT max(number) FROM processes WHERE name LIKE '%%:' || %s", (str(pid),)
            ).fetchone()
        return None if row is None else row[0]

    def _tell(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as session:
            session.execute(statement.encode())


def runs_of(store: Store, which: RunFilter) -> list[Run]:
    """The journal; none before there is one, or while its server is away."""
    with suppress(StoreError):
        reader = open_reader(store.url)
        try:
            return reader.runs(which)
        finally:
            reader.close()
    return []
