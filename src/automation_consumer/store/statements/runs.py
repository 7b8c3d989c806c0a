"""Runs: written once, moved on by whoever has them, never after their end."""

from __future__ import annotations

from typing import Any

from automation_consumer.errors import FencedError
from automation_consumer.model.message import Message
from automation_consumer.model.run import ENDED, OPEN, Run, RunStatus
from automation_consumer.store.database import Database, Note, Reading, Result
from automation_consumer.store.rows import COLUMNS, RUN, from_row, to_column, to_row
from automation_consumer.store.statements.messages import hold

IS_OPEN = f"status IN ({', '.join(repr(str(status)) for status in sorted(OPEN))})"
ALIVE = "(SELECT number FROM processes WHERE state = 'alive')"
NOT_GONE = "(SELECT number FROM processes WHERE state <> 'gone')"

_SELECT = f"SELECT {RUN} FROM runs"
_INSERT = f"INSERT INTO runs ({RUN}, announced, message_ms) VALUES ({', '.join('?' * (len(COLUMNS) + 2))}) ON CONFLICT DO NOTHING"
_ADOPT = f"""
    UPDATE runs SET owner = ?, fence = fence + 1
    WHERE id = ? AND fence = ? AND {IS_OPEN} AND owner <> ?
      AND (owner NOT IN {NOT_GONE} OR (status <> 'running' AND owner NOT IN {ALIVE}))
    RETURNING {RUN}"""


def open_run(
    db: Database, run: Run, message_ms: int | None, message: Message | None, announces: bool
) -> Reading[Run]:
    """Write a new run, with its message if that is not written yet."""
    told = int(not (announces and run.ended))
    note = Note(run.id, run.created_at, run.status, run.reason)
    written = db.noted(_INSERT, (*to_row(run), told, message_ms), note)
    if message is not None:
        hold(db, message, run.owner, run.created_at)
    if db.at_once and written.count:
        return lambda: run
    found = db.execute(f"{_SELECT} WHERE id = ?", (run.id,))
    return lambda: run if written.count else from_row(found.rows[0])


def change(
    db: Database,
    process: int,
    run: Run,
    to: RunStatus,
    at: float,
    detail: str,
    fields: dict[str, Any],
    announces: bool,
) -> Reading[bool | FencedError]:
    columns = {"status": to, **{name: to_column(name, value) for name, value in fields.items()}}
    if announces and to in ENDED:
        columns["announced"] = 0
    assignments = ", ".join(f"{name} = ?" for name in columns)
    written = db.noted(
        f"UPDATE runs SET {assignments} WHERE id = ? AND fence = ? AND owner = ? AND {IS_OPEN}",
        (*columns.values(), run.id, run.fence, process),
        Note(run.id, at, to, detail),
    )
    if db.at_once and written.count:
        return lambda: True
    now = db.execute("SELECT fence, owner, status FROM runs WHERE id = ?", (run.id,))
    return lambda: bool(written.count) or _why_not(process, run, now)


def _why_not(process: int, run: Run, now: Result) -> bool | FencedError:
    for fence, owner, status in now.rows:
        if fence != run.fence:
            return FencedError(f"run {run.id} was taken over by process {owner}")
        if status in OPEN and owner != process:
            return FencedError(f"run {run.id} belongs to process {owner}")
    return False


def find(db: Database, run_id: str) -> Reading[Run | None]:
    found = db.execute(f"{_SELECT} WHERE id = ?", (run_id,))
    return lambda: next(map(from_row, found.rows), None)


def adopt(db: Database, run: Run, process: int) -> Reading[Run | None]:
    taken = db.execute(_ADOPT, (process, run.id, run.fence, process))
    return lambda: next(map(from_row, taken.rows), None)


def live_runs(db: Database, incident_id: str, message: Message | None) -> Reading[list[Run]]:
    if message is None:
        found = db.execute(
            f"{_SELECT} WHERE incident_id = ? AND live = 1 ORDER BY created_at", (incident_id,)
        )
    else:
        # Two halves, each by an index: what earlier messages skipped is not even read.
        found = db.execute(
            f"""
            {_SELECT} WHERE incident_id = ? AND live = 1 AND status <> 'skipped'
            UNION ALL
            {_SELECT} WHERE topic = ? AND "partition" = ? AND "offset" = ? AND incident_id = ? AND live = 1
              AND status = 'skipped'
            ORDER BY created_at""",
            (incident_id, message.topic, message.partition, message.offset, incident_id),
        )
    return lambda: [from_row(row) for row in found.rows]


def last_success(db: Database, action: str, target: str) -> Reading[float | None]:
    found = db.execute(
        "SELECT max(ended_at) FROM runs WHERE action = ? AND target = ? AND status = 'succeeded'",
        (action, target),
    )
    return lambda: found.rows[0][0]


def started_since(db: Database, action: str, since: float) -> Reading[int]:
    found = db.execute(
        "SELECT count(*) FROM runs WHERE action = ? AND created_at >= ? AND status NOT IN ('skipped', 'previewed')",
        (action, since),
    )
    return lambda: int(found.rows[0][0])


def end_activity(db: Database, incident_id: str) -> Reading[None]:
    """The incident is no longer active; its runs count until it becomes active again."""
    db.execute("INSERT INTO inactive_incidents VALUES (?) ON CONFLICT DO NOTHING", (incident_id,))
    return lambda: None


def begin_activity(db: Database, incident_id: str) -> Reading[None]:
    """The incident is active; if it was not, the runs that have ended no longer count."""
    db.execute(
        f"UPDATE runs SET live = 0 WHERE incident_id = ? AND live = 1 AND NOT {IS_OPEN}"
        " AND incident_id IN (SELECT incident_id FROM inactive_incidents)",
        (incident_id,),
    )
    db.execute("DELETE FROM inactive_incidents WHERE incident_id = ?", (incident_id,))
    return lambda: None


def unannounced(db: Database, process: int, limit: int) -> Reading[list[Run]]:
    found = db.execute(
        f"{_SELECT} WHERE announced = 0 AND (owner = ? OR owner NOT IN {NOT_GONE}) ORDER BY ended_at, id LIMIT ?",
        (process, limit),
    )
    return lambda: [from_row(row) for row in found.rows]


def announced(db: Database, run_ids: tuple[str, ...]) -> Reading[None]:
    for run_id in run_ids:
        db.execute("UPDATE runs SET announced = 1 WHERE id = ?", (run_id,))
    return lambda: None
