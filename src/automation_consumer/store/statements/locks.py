"""Named locks of runs; one whose process has lost its lease is free."""

from __future__ import annotations

from automation_consumer.store.database import Database, Reading

_TAKE = """
    INSERT INTO locks (name, run_id, owner) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET run_id = excluded.run_id, owner = excluded.owner
    WHERE locks.run_id = excluded.run_id
       OR (locks.owner <> excluded.owner
           AND locks.owner NOT IN (SELECT number FROM processes WHERE state = 'alive'))"""


def take(db: Database, name: str, run_id: str, process: int) -> Reading[str | None]:
    db.execute(_TAKE, (name, run_id, process))
    held = db.execute("SELECT run_id, owner FROM locks WHERE name = ?", (name,))
    return lambda: None if held.rows[0] == (run_id, process) else held.rows[0][0]


def give_back(db: Database, name: str, run_id: str, process: int) -> Reading[None]:
    db.execute("DELETE FROM locks WHERE name = ? AND run_id = ? AND owner = ?", (name, run_id, process))
    return lambda: None
