"""The stores that every test of the contract runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.journal.stores import MemoryStore, PostgresStore, SqliteStore, SqlStore, Store

POSTGRES = pytest.param("postgres", marks=pytest.mark.server)


def _store(kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "memory":
        return MemoryStore()
    if kind == "sqlite":
        return SqliteStore(request.getfixturevalue("tmp_path"))
    return PostgresStore(request.getfixturevalue("postgres"))


@pytest.fixture(params=["memory", "sqlite", POSTGRES])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Every store."""
    made = _store(request.param, request)
    yield made
    made.close()


@pytest.fixture(params=["memory", POSTGRES])
def shared_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Those that several processes use at once."""
    made = _store(request.param, request)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", POSTGRES])
def sql_store(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    """Those that outlive a process."""
    made = _store(request.param, request)
    assert isinstance(made, SqlStore)
    yield made
    made.close()


@pytest.fixture
def postgres_store(postgres: str) -> Iterator[PostgresStore]:
    made = PostgresStore(postgres)
    yield made
    made.close()


@pytest.fixture
def sqlite_store(tmp_path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path)
    yield made
    made.close()
