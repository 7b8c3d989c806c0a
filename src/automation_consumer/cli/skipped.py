"""What pauses have skipped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from automation_consumer.model.run import Run, RunStatus
from automation_consumer.store.journal import JournalReader, RunFilter

_FIRST: Final = 1_000  # rows of the first look; each further one takes ten times as many


def skipped(reader: JournalReader, pauses: Iterable[str], since: float) -> list[Run]:
    """The runs that these pauses (ids) have skipped, oldest first. `since`: when the oldest of the pauses began."""
    wanted = set(pauses)
    limit = _FIRST
    while True:
        found = reader.runs(RunFilter(status=RunStatus.SKIPPED, limit=limit))
        if len(found) < limit or found[-1].created_at < since:
            return [run for run in reversed(found) if run.data.get("switch") in wanted]
        limit *= 10


def count(runs: Iterable[Run]) -> Counter[str]:
    """How many there are by pause."""
    return Counter(str(run.data["switch"]) for run in runs)


def worth_running(reader: JournalReader, runs: Iterable[Run]) -> list[Run]:
    """Those that nothing has made up for: of the same alert and action the last one, unless a later message has run it."""
    by_incident: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_incident[run.incident_id].append(run)
    return [run for incident, mine in by_incident.items() for run in _left(_of(reader, incident), mine)]


def _of(reader: JournalReader, incident_id: str) -> list[Run]:
    limit = _FIRST
    while True:
        found = reader.runs(RunFilter(incident_id=incident_id, limit=limit))
        if len(found) < limit:
            return found
        limit *= 10


def _left(all_runs: Iterable[Run], mine: Iterable[Run]) -> list[Run]:
    acted: dict[str, float] = {}
    for run in all_runs:
        if run.status not in (RunStatus.SKIPPED, RunStatus.PREVIEWED):
            acted[run.subject] = max(run.created_at, acted.get(run.subject, 0.0))
    last = {run.subject: run for run in mine}  # oldest first: the last one stays
    return [run for run in last.values() if acted.get(run.subject, 0.0) < run.created_at]
