"""The reasons for which no message is taken."""

from __future__ import annotations

import threading

from automation_consumer.logs import get_logger

_log = get_logger(__name__)


class Holds:
    """A set of reasons. While it is not empty nothing is taken; polling and committing go on. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: frozenset[str] = frozenset()

    def hold(self, reason: str, on: bool) -> bool:
        """Set or lift a reason; whether that changed anything. Never blocks."""
        with self._lock:
            before = self._reasons
            self._reasons = before | {reason} if on else before - {reason}
            changed = before != self._reasons
        if changed:
            what = "nothing is taken" if on else "no longer held"
            _log.info("%s: %s", what, reason, event="intake.held" if on else "intake.released", reason=reason)
        return changed

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(self._reasons))

    def __bool__(self) -> bool:
        return bool(self._reasons)
