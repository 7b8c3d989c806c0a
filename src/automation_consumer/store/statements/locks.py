"""Named locks of runs. A lock stays with its run until that has ended, whatever becomes of its process."""

from __future__ import annotations

from automation_consumer.store.database import Database, Reading
from automation_consumer.store.statements.runs import IS_OPEN, NOT_GONE

_TAKE = f"""
    INSERT INTO locks (name, run_id, owner) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET run_id = excluded.run_id, owner = excluded.owner
    WHERE locks.run_id = excluded.run_id
       OR EXISTS (SELECT 1 FROM runs WHERE runs.id = locks.run_id AND NOT {IS_OPEN})
       OR (locks.owner NOT IN {NOT_GONE} AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = locks.run_id))"""


def take(db: Database, name: str, run_id: str, process: int) -> Reading[str | None]:
    db.execute(_TAKE, (name, run_id, process))
    held = db.execute("SELECT run_id, owner FROM locks WHERE name = ?", (name,))
    return lambda: None if held.rows[0] == (run_id, process) else held.rows[0][0]


def give_back(db: Database, name: str, run_id: str) -> Reading[None]:
    db.execute("DELETE FROM locks WHERE name = ? AND run_id = ?", (name, run_id))
    return lambda: None
