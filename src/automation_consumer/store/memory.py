"""The journal in memory: for tests, and for plugin authors' tests. Keeps the same contract; nothing survives."""

from __future__ import annotations

from typing import Any

import msgspec

from automation_consumer.errors import StoreError
from automation_consumer.model.run import Run, RunChange, RunStatus
from automation_consumer.store.journal import CHANGEABLE


class MemoryJournal:
    """See `Journal`."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.changes: dict[str, list[RunChange]] = {}
        self._dead: set[str] = set()  # ids of runs of an earlier activation
        self._inactive: set[str] = set()

    def knows(self, incident_id: str) -> bool:
        return any(run.incident_id == incident_id for run in self.runs.values())

    async def open(self, run: Run) -> Run:
        if run.id not in self.runs:
            self.runs[run.id] = run
            self.changes[run.id] = [RunChange(run.created_at, run.status, run.reason)]
        return self.runs[run.id]

    async def change(self, run_id: str, to: RunStatus, at: float, detail: str = "", **fields: Any) -> bool:
        unknown = set(fields) - CHANGEABLE
        if unknown:
            raise StoreError(f"these fields of a run never change: {', '.join(sorted(unknown))}")
        run = self.runs.get(run_id)
        if run is None or run.ended:
            return False
        self.runs[run_id] = msgspec.structs.replace(run, status=to, **fields)
        self.changes[run_id].append(RunChange(at, to, detail))
        return True

    async def live_runs(self, incident_id: str) -> list[Run]:
        return [run for run in self._sorted() if run.incident_id == incident_id and run.id not in self._dead]

    async def last_success(self, action: str, target: str) -> float | None:
        ends = [
            run.ended_at
            for run in self.runs.values()
            if (run.action, run.target, run.status) == (action, target, RunStatus.SUCCEEDED)
            and run.ended_at is not None
        ]
        return max(ends, default=None)

    async def note_activity(self, incident_id: str, active: bool) -> None:
        if not active and self.knows(incident_id):
            self._inactive.add(incident_id)
        elif active and incident_id in self._inactive:
            self._inactive.discard(incident_id)
            self._dead |= {
                run.id for run in self.runs.values() if run.incident_id == incident_id and run.ended
            }

    async def open_runs(self) -> list[Run]:
        return [run for run in self._sorted() if not run.ended]

    def close(self) -> None:
        """Nothing to close."""

    def _sorted(self) -> list[Run]:
        return sorted(self.runs.values(), key=lambda run: run.created_at)
