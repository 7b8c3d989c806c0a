"""Migrations: whatever way a journal came to its schema, it is the same, and the previous release can work on it."""

from __future__ import annotations

import re
import sqlite3
import threading
import time

import psycopg
import pytest
from tests.contract.journal import statements_0001
from tests.contract.journal.samples import a_run

from automation_consumer.clock import SystemClock
from automation_consumer.errors import StoreError
from automation_consumer.model.run import RunStatus
from automation_consumer.store import postgres, schema, sqlite
from automation_consumer.store.sqlite import SqliteJournal, SqliteReader


def catalogue(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    ).fetchall()
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        rows += [
            (f"{table}.{row[1]}", repr(row[2:])) for row in connection.execute(f"PRAGMA table_info({table})")
        ]
    return sorted(rows)


def of_version_1(path: str) -> sqlite3.Connection:
    """A journal as the release with schema version 1 leaves it, with an open run and one that has ended."""
    connection = sqlite.connect(path)
    connection.executescript(schema.migrations("sqlite")[0].sql + "PRAGMA user_version = 1;")
    columns = len(statements_0001.ROW)
    for run_id, status in (("r1", "running"), ("r2", "succeeded")):
        row = (run_id, status, *statements_0001.ROW[2:])
        assert len(row) == columns
        connection.execute(statements_0001.INSERT, row)
    return connection


def test_a_fresh_schema_equals_all_migrations_one_by_one(tmp_path):
    """Red when an old migration is edited, or one depends on data."""
    fresh, grown = sqlite.connect(":memory:"), of_version_1(str(tmp_path / "old.db"))
    sqlite.migrate(fresh, schema.migrations("sqlite"))
    for number in range(1, len(schema.migrations("sqlite")) + 1):
        sqlite.migrate(grown, schema.migrations("sqlite")[:number])
    assert catalogue(fresh) == catalogue(grown)
    assert sqlite.applied(fresh) == sqlite.applied(grown)
    fresh.close()
    grown.close()


async def test_open_runs_of_the_previous_release_are_adopted(tmp_path):
    """Red when what has no owner counts as owned by somebody who lives."""
    path = str(tmp_path / "old.db")
    of_version_1(path).close()
    journal = SqliteJournal(path, SystemClock())
    run = await journal.open(a_run())
    assert run.owner == 0
    taken = await journal.adopt(run)
    assert taken is not None
    assert await journal.change(taken, RunStatus.SUCCEEDED, 1.0)
    assert (await journal.find("r2")).status is RunStatus.SUCCEEDED
    assert await journal.unannounced(10) == []
    journal.close()


def test_the_previous_release_works_on_the_new_schema(tmp_path):
    """Red when a new column has no default, or user_version says more than the previous release accepts."""
    path = str(tmp_path / "journal.db")
    SqliteJournal(path, SystemClock()).close()
    connection = sqlite.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] <= 1  # it refuses what is greater
    for statement, values in statements_0001.STATEMENTS:
        connection.execute(statement, values)
    connection.close()
    SqliteJournal(path, SystemClock()).close()


@pytest.mark.server
def test_its_statements_work_on_postgres_too(postgres_store):
    postgres_store.end(postgres_store.open())
    for statement, values in statements_0001.STATEMENTS:
        words = re.sub(r"INSERT OR IGNORE (.*)", r"INSERT \1 ON CONFLICT DO NOTHING", statement)
        words = re.sub(r"\blive\b(?! =)", "live = 1", words) if "WHERE" in words else words
        postgres_store.execute(words.replace("?", "%s"), *values)


def pretend(path: str, works_from: int) -> None:
    connection = sqlite.connect(path)
    connection.execute("INSERT INTO schema_versions VALUES (999, '0999_future.sql', ?)", (works_from,))
    connection.close()


def test_a_newer_schema_is_accepted_if_it_says_that_this_code_works_on_it(tmp_path):
    """Red when any newer one is refused, or none."""
    path = str(tmp_path / "journal.db")
    SqliteJournal(path, SystemClock()).close()
    pretend(path, works_from=len(schema.migrations("sqlite")))
    SqliteJournal(path, SystemClock()).close()
    SqliteReader(path).close()


def test_a_newer_schema_that_needs_newer_code_is_refused(tmp_path):
    path = str(tmp_path / "journal.db")
    SqliteJournal(path, SystemClock()).close()
    pretend(path, works_from=999)
    for use in (lambda: SqliteJournal(path, SystemClock()), lambda: SqliteReader(path)):
        with pytest.raises(StoreError, match="newer version"):
            use()


def test_a_command_does_not_touch_a_journal_of_an_older_version(tmp_path):
    path = str(tmp_path / "old.db")
    of_version_1(path).close()
    with pytest.raises(StoreError, match="start the service"):
        SqliteReader(path)


@pytest.mark.server
def test_replicas_that_start_together_make_one_schema(postgres_store):
    """Red without the advisory lock."""
    failed: list[BaseException] = []

    def start() -> None:
        try:
            postgres.migrate(postgres_store.url)
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event = 'advisory'"
    with psycopg.connect(postgres_store.url) as first:  # a replica that is in the midst of it
        first.execute("SELECT pg_advisory_xact_lock(%s)", (postgres._MIGRATING,))
        for thread in threads:
            thread.start()
        ends = time.monotonic() + 20
        while postgres_store.execute(waiting, postgres_store.schema) != [(len(threads),)]:
            assert time.monotonic() < ends, "they do not wait for one another"
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(postgres_store.execute("SELECT * FROM schema_versions")) == len(schema.migrations("postgres"))


@pytest.mark.server
def test_both_databases_have_the_same_tables_and_columns(postgres_store):
    """Red when a migration is written for one of them only."""
    only_there = {"runs.written", "run_changes.rowid", "processes.instance", "processes.beat", "batches"}
    postgres.migrate(postgres_store.url)
    there = {
        f"{table}.{column}"
        for table, column in postgres_store.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        if f"{table}.{column}" not in only_there and table not in only_there
    }
    connection = sqlite.connect(":memory:")
    sqlite.migrate(connection, schema.migrations("sqlite"))
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    here = {
        f"{table}.{row[1]}"
        for table in tables
        if not table.startswith("sqlite_")
        for row in connection.execute(f"PRAGMA table_info({table})")
    }
    assert here == there
    connection.close()
