"""What the builds of a Screwdriver event say about its job: running, succeeded, or failed and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automation_consumer.integrations.http_errors import one_line

_ACTIVE = frozenset({"QUEUED", "RUNNING", "BLOCKED", "FROZEN"})
_FAILED = frozenset({"FAILURE", "ABORTED", "COLLAPSED"})
_SUCCEEDED = frozenset({"SUCCESS", "UNSTABLE"})


@dataclass(frozen=True, slots=True)
class Build:
    """One build. Times are as the server writes them (ISO 8601), None before they are known."""

    id: int
    job_id: int
    status: str
    started: str | None = None
    ended: str | None = None
    message: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it still runs or will run. UNSTABLE may be set while the build goes on."""
        return self.status in _ACTIVE or (self.status == "UNSTABLE" and not self.ended)

    @property
    def failed(self) -> bool:
        """COLLAPSED never ran: a newer build took its place."""
        return self.status in _FAILED

    @property
    def succeeded(self) -> bool:
        return self.status in _SUCCEEDED and not self.active

    @property
    def seconds(self) -> float | None:
        """How long it ran; None when the server does not say."""
        try:
            began, ended = (
                datetime.fromisoformat(self.started or ""),
                datetime.fromisoformat(self.ended or ""),
            )
            return max((ended - began).total_seconds(), 0.0)
        except (ValueError, TypeError):
            return None

    def summary(self) -> str:
        """For people: `SUCCESS in 12 s`, `FAILURE in 3 s: no disk`."""
        took = f" in {self.seconds:.0f} s" if self.seconds is not None else ""
        return f"{self.status}{took}" + (f": {self.message}" if self.message else "")


def deciding_build(builds: Iterable[Build]) -> Build | None:
    """The build that decides how the event's job ended; None while that is open.

    Of a job that ran more than once its newest build counts. A failed build decides once nothing is active:
    builds that wait for it (CREATED) never start. A success decides when no other build is left to come.
    """
    newest: dict[int, Build] = {}
    for build in builds:
        if build.job_id not in newest or build.id > newest[build.job_id].id:
            newest[build.job_id] = build
    if any(build.active for build in newest.values()):
        return None
    failed = [build for build in newest.values() if build.failed]
    if failed:
        return min(failed, key=lambda build: build.id)
    if newest and all(build.succeeded for build in newest.values()):
        return max(newest.values(), key=lambda build: build.id)
    return None


def as_build(row: Mapping[str, Any]) -> Build | None:
    """A row of the API as a `Build`; None when it is not one."""
    if not isinstance(row.get("id"), int) or not isinstance(row.get("status"), str):
        return None
    job_id, meta = row.get("jobId"), row.get("meta")
    return Build(
        id=row["id"],
        job_id=job_id if isinstance(job_id, int) else 0,
        status=row["status"],
        started=_text(row.get("startTime")),
        ended=_text(row.get("endTime")),
        message=one_line(_text(row.get("statusMessage")) or ""),
        meta=meta if isinstance(meta, dict) else {},
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
