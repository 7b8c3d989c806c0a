"""One way to use every kind of store in a test: open it as several processes, and say what becomes of each."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from automation_consumer.clock import SystemClock
from automation_consumer.store.journal import Journal, JournalReader
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.store.open import open_journal, open_reader

LEASE_S = 60.0  # so that no beat comes within a test


class Store:
    """A store of its own for one test."""

    shared = True

    def open(self, **options: Any) -> Journal:
        """Another process."""
        raise NotImplementedError

    def end(self, journal: Journal) -> None:
        """The process is gone, and everybody knows."""
        journal.close()

    def lapse(self, journal: Journal) -> None:
        """Its lease is over, but it may wake up."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class MemoryStore(Store):
    def __init__(self) -> None:
        self._first: MemoryJournal | None = None

    def open(self, **options: Any) -> Journal:
        if self._first is None:
            self._first = MemoryJournal(**options)
            return self._first
        return self._first.beside(**options)

    def lapse(self, journal: Journal) -> None:
        assert isinstance(journal, MemoryJournal)
        journal.freeze()

    def close(self) -> None:
        """Nothing is left."""


class SqlStore(Store):
    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: list[Journal] = []

    def open(self, **options: Any) -> Journal:
        journal = open_journal(self.url, SystemClock(), name="test", lease_s=LEASE_S, **options)
        self._opened.append(journal)
        return journal

    def end(self, journal: Journal) -> None:
        self._opened.remove(journal)
        journal.close()

    def reader(self) -> JournalReader:
        return open_reader(self.url)

    def close(self) -> None:
        for journal in self._opened:
            journal.close()


class SqliteStore(SqlStore):
    shared = False

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "journal.db")
        super().__init__(f"sqlite:///{self.path}")


class PostgresStore(SqlStore):
    """A schema of its own."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.schema = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {self.schema}")
        joint = "&" if "?" in server else "?"
        options = quote(f"-csearch_path={self.schema}")
        super().__init__(f"{server}{joint}options={options}&application_name={self.schema}")

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def lapse(self, journal: Journal) -> None:
        self.execute("UPDATE processes SET state = 'suspended' WHERE number = %s", journal.process)

    def close(self) -> None:
        super().close()
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {self.schema} CASCADE")
