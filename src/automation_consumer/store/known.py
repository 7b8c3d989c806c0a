"""Which incidents may have runs, and which of them are not active: in memory, so that most messages need no query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from automation_consumer.store.database import Database, Reading

ALL: Final = "SELECT DISTINCT incident_id FROM runs WHERE live = 1"
INACTIVE: Final = "SELECT incident_id FROM inactive_incidents"


class KnownIncidents:
    """Any thread may ask. `refresh`, where others write too, sends what reads their new incidents (any thread may run it)."""

    def __init__(
        self,
        known: set[str],
        inactive: set[str],
        others: Callable[[Database], Reading[set[str]]] | None = None,
    ) -> None:
        self._known = known
        self._inactive = inactive
        self._others = others
        self._added: set[str] | None = None  # since the forgetting began

    def __contains__(self, incident_id: str) -> bool:
        return incident_id in self._known

    def add(self, incident_id: str) -> None:
        self._known.add(incident_id)
        if self._added is not None:
            self._added.add(incident_id)

    def turns(self, incident_id: str, active: bool) -> bool:
        """Whether this is to be written: a known incident's activity changes, or may have been changed by others."""
        if incident_id not in self._known:
            return False
        if self._others is not None:
            return True
        if active == (incident_id not in self._inactive):
            return False
        if active:
            self._inactive.discard(incident_id)
        else:
            self._inactive.add(incident_id)
        return True

    def refresh(self, db: Database) -> Reading[None]:
        """Learn what other processes have written since the last time."""
        if self._others is None:
            return lambda: None
        reading = self._others(db)
        return lambda: self._known.update(reading())

    @contextmanager
    def forgetting(self) -> Iterator[Callable[[frozenset[str]], None]]:
        """While runs are deleted: forget incidents without runs, but not those that came meanwhile. On the event loop."""
        self._added = set()

        def forget(incidents: frozenset[str]) -> None:
            gone = incidents - (self._added or set())
            self._known.difference_update(gone)
            self._inactive.difference_update(gone)

        try:
            yield forget
        finally:
            self._added = None
