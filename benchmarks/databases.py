"""Fresh databases on the PostgreSQL of the tests."""

from __future__ import annotations

import os
import uuid

import psycopg


def database() -> str:
    """A new, empty database: its URL. It goes with the server, which is thrown away."""
    server = os.environ["TEST_POSTGRES"]
    name = f"bench_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rsplit('/', 1)[0]}/{name}"
