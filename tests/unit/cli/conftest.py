"""A journal that commands and a service share, on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.journal.stores import PostgresStore, SqliteStore


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a store of its own, which a service has used before."""
    if request.param == "sqlite":
        store: SqliteStore | PostgresStore = SqliteStore(request.getfixturevalue("tmp_path"))
    else:
        store = PostgresStore(request.getfixturevalue("postgres"))
    store.end(store.open())
    yield store.url
    store.close()
