"""What is deleted when it is old enough."""

from __future__ import annotations

from typing import NamedTuple

from automation_consumer.store.database import Database, Reading
from automation_consumer.store.statements.runs import IS_OPEN

STEP = 500  # runs in one transaction at most, so that nobody waits for long


class Pruned(NamedTuple):
    """One step: how many runs were deleted, and which incidents have none left."""

    runs: int
    forgotten: frozenset[str]


# A run that ended before a time was created before it: that is what the index knows.
_OLD_RUNS = f"""
    DELETE FROM runs WHERE id IN (
        SELECT id FROM runs
        WHERE created_at < ? AND coalesce(ended_at, created_at) < ? AND NOT {IS_OPEN} AND announced = 1
          AND (live = 0 OR incident_id IN (SELECT incident_id FROM inactive_incidents))
        LIMIT {STEP})
    RETURNING id, incident_id"""


def prune_runs(db: Database, before: float) -> Reading[Pruned]:
    """Delete some ended runs. Waits for the database's answer in the midst of the transaction."""
    deleted = db.execute(_OLD_RUNS, (before, before)).rows
    for run_id, _ in deleted:
        db.execute("DELETE FROM run_changes WHERE run_id = ?", (run_id,))
    incidents = {incident_id for _, incident_id in deleted}
    left = {
        incident_id: db.execute("SELECT 1 FROM runs WHERE incident_id = ? LIMIT 1", (incident_id,))
        for incident_id in incidents
    }
    for incident_id in incidents:
        db.execute(
            "DELETE FROM inactive_incidents WHERE incident_id = ?"
            " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.incident_id = inactive_incidents.incident_id)",
            (incident_id,),
        )
    return lambda: Pruned(
        len(deleted), frozenset(incident_id for incident_id, found in left.items() if not found.rows)
    )


def prune_rest(db: Database, before: float) -> Reading[None]:
    """Delete finished messages, and pauses and wishes that are over."""
    db.execute("DELETE FROM messages WHERE state <> 'open' AND taken_at < ?", (before,))
    db.execute("DELETE FROM switches WHERE resumed_at < ?", (before,))
    db.execute("DELETE FROM requests WHERE answered_at < ?", (before,))
    db.execute("DELETE FROM processes WHERE state = 'gone' AND started_at < ?", (before,))
    return lambda: None
