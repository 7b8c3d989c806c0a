"""Which of the other processes have not been heard of for a whole lease."""

from __future__ import annotations

from typing import NamedTuple


class Beat(NamedTuple):
    """What is seen of another process: how often it has renewed its lease, and whether its session stands."""

    process: int
    number: int
    state: str
    connected: bool


class Watch:
    """Watches beats by the watcher's own clock, in seconds that never go back."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._seen: dict[int, tuple[int, float]] = {}  # process → its beat, and when that was first seen
        self._looked_at = float("-inf")

    def forget(self) -> None:
        """Begin anew: for some time nothing could be seen."""
        self._seen.clear()

    def judge(self, beats: list[Beat], now: float) -> list[tuple[Beat, str]]:
        """Which of them are to be marked, and as what: `suspended` or `gone`.

        Who has not looked for long (stood still, as perhaps the others did) begins anew.
        """
        if now - self._looked_at > self._lease_s / 2:
            self.forget()
        self._looked_at = now
        seen = {}
        judged = []
        for beat in beats:
            number, since = self._seen.get(beat.process, (None, now))
            if number != beat.number:
                since = now
            seen[beat.process] = (beat.number, since)
            if now - since >= self._lease_s:
                state = "suspended" if beat.connected else "gone"
                if state != beat.state:
                    judged.append((beat, state))
        self._seen = seen
        return judged
