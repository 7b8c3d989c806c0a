"""What every journal can do, whatever database it stands on."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from automation_consumer.errors import UsageError
from automation_consumer.model.run import Run, RunChange, RunStatus

CHANGEABLE = frozenset(
    {"attempt", "next_at", "ended_at", "handle", "url", "reason", "output", "data", "deadline_at"}
)
"""The fields of a run that may change, besides its status."""


class RunFilter(msgspec.Struct, frozen=True):
    """Which runs a listing shows; None means any. `limit` bounds the rows, newest first."""

    incident_id: str | None = None
    status: RunStatus | None = None
    limit: int = 50


class Journal(Protocol):
    """The engine's side. Awaiting a write means that it is on disk; writes of concurrent runs share transactions.

    Every method raises StoreError when the database cannot be read or written.
    """

    def knows(self, incident_id: str) -> bool:
        """Whether the incident may have runs. In memory, any thread, never blocks."""

    async def open(self, run: Run) -> Run:
        """Write a new run, or return the one that has this id already (its message came again)."""

    async def change(self, run_id: str, to: RunStatus, at: float, detail: str = "", **fields: Any) -> bool:
        """Move an open run on. False when it has ended already: a final state is never overwritten."""

    async def live_runs(self, incident_id: str) -> list[Run]:
        """The runs of the incident since it last became active, oldest first."""

    async def last_success(self, action: str, target: str) -> float | None:
        """When that action last succeeded for that target."""

    async def note_activity(self, incident_id: str, active: bool) -> None:
        """Remember whether a known incident is active. When it becomes active again, its earlier runs no longer count."""

    async def open_runs(self) -> list[Run]:
        """Every run that has not ended, oldest first."""

    def close(self) -> None:
        """Finish what is queued and close. Blocks."""


class JournalReader(Protocol):
    """The operator's side: reads only, beside a running service. Blocks."""

    def runs(self, which: RunFilter) -> list[Run]: ...

    def run(self, run_id: str) -> Run | None:
        """The run of that id, or the only one whose id begins with it."""

    def changes(self, run_id: str) -> list[RunChange]: ...


def sqlite_path(url: str) -> str:
    """The path in `sqlite:///PATH` (`sqlite:////abs` is absolute). UsageError for anything else."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or url == prefix:
        raise UsageError(f"store {url!r} is not understood", hint="write sqlite:///automation.db")
    return url[len(prefix) :]
