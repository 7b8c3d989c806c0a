"""What operators ask for: pauses, and wishes about single runs."""

from __future__ import annotations

from automation_consumer.model.switch import Request, Switch
from automation_consumer.store.database import Database, Reading
from automation_consumer.store.rows import REQUEST, SWITCH, request_from_row, switch_from_row
from automation_consumer.store.statements.runs import IS_OPEN, NOT_GONE


def switches(db: Database) -> Reading[list[Switch]]:
    found = db.execute(f"SELECT {SWITCH} FROM switches WHERE resumed_at IS NULL ORDER BY since, id")
    return lambda: [switch_from_row(row) for row in found.rows]


def pause(db: Database, switch: Switch) -> Reading[None]:
    db.execute(
        f"INSERT INTO switches ({SWITCH}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (switch.id, switch.scope, switch.name, switch.who, switch.why, switch.since, switch.until),
    )
    return lambda: None


def resume(db: Database, switch_id: str, who: str, at: float) -> Reading[bool]:
    ended = db.execute(
        "UPDATE switches SET resumed_by = ?, resumed_at = ? WHERE id = ? AND resumed_at IS NULL",
        (who, at, switch_id),
    )
    return lambda: bool(ended.count)


def request(db: Database, wanted: Request) -> Reading[None]:
    db.execute(
        f"INSERT INTO requests ({REQUEST}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (wanted.id, wanted.wish, wanted.run_id, wanted.who, wanted.at),
    )
    return lambda: None


def take_requests(db: Database, process: int) -> Reading[list[Request]]:
    taken = db.execute(
        f"""
        UPDATE requests SET taken_by = ? WHERE answer IS NULL AND id IN (
            SELECT id FROM requests WHERE answer IS NULL AND (taken_by IS NULL OR taken_by NOT IN {NOT_GONE})
              AND (wish = 'retry' OR NOT EXISTS (
                SELECT 1 FROM runs WHERE runs.id = requests.run_id AND {IS_OPEN} AND owner <> ? AND owner IN {NOT_GONE}))
            {db.skip_locked})
        RETURNING {REQUEST}""",
        (process, process),
    )
    return lambda: sorted(map(request_from_row, taken.rows), key=_age)


def _age(wanted: Request) -> tuple[float, str]:
    return wanted.at, wanted.id


def answer(db: Database, request_id: str, text: str, at: float) -> Reading[None]:
    db.execute(
        "UPDATE requests SET answer = ?, answered_at = ? WHERE id = ? AND answer IS NULL",
        (text, at, request_id),
    )
    return lambda: None


def answer_to(db: Database, request_id: str) -> Reading[str | None]:
    found = db.execute("SELECT answer FROM requests WHERE id = ?", (request_id,))
    return lambda: found.rows[0][0] if found.rows else None
