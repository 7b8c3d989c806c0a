"""The operator's side of the journal on a SQL database, beside running services."""

from __future__ import annotations

from typing import Any

from automation_consumer.model.run import Run, RunChange
from automation_consumer.model.switch import Request, Switch
from automation_consumer.store.database import Database
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.rows import RUN, change_from_row, from_row
from automation_consumer.store.statements import operators

_SELECT = f"SELECT {RUN} FROM runs"


class SqlReader:
    """See `JournalReader`. Every call is one statement, so a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def runs(self, which: RunFilter) -> list[Run]:
        wanted: dict[str, Any] = {"incident_id": which.incident_id, "status": which.status}
        given = {f"{name} = ?": value for name, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)} " if given else ""
        return self._runs(f"{where}ORDER BY created_at DESC, id LIMIT ?", *given.values(), which.limit)

    def run(self, run_id: str) -> Run | None:
        found = self._runs("WHERE id >= ? AND id < ? ORDER BY id LIMIT 2", run_id, run_id + "\uffff")
        exact = [run for run in found if run.id == run_id]
        return exact[0] if exact else found[0] if len(found) == 1 else None

    def beginning(self, text: str, limit: int) -> list[str]:
        query = "SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        return [row[0] for row in self._db.execute(query, (text, text + "\uffff", limit)).rows]

    def changes(self, run_id: str) -> list[RunChange]:
        query = "SELECT at, status, detail FROM run_changes WHERE run_id = ? ORDER BY rowid"
        return [change_from_row(row) for row in self._db.execute(query, (run_id,)).rows]

    def switches(self) -> list[Switch]:
        return operators.switches(self._db)()

    def pause(self, switch: Switch) -> None:
        operators.pause(self._db, switch)()

    def resume(self, switch_id: str, who: str, at: float) -> bool:
        return operators.resume(self._db, switch_id, who, at)()

    def request(self, request: Request) -> None:
        operators.request(self._db, request)()

    def answer_to(self, request_id: str) -> str | None:
        return operators.answer_to(self._db, request_id)()

    def close(self) -> None:
        self._db.close()

    def _runs(self, rest: str, *values: Any) -> list[Run]:
        return [from_row(row) for row in self._db.execute(f"{_SELECT} {rest}", values).rows]
