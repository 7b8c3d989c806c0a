"""Notices when everything turns to poison: a bad deploy of a sender, or of our own format."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoisonLimits:
    """When the guard trips; 0 switches a limit off."""

    run_length: int = 100
    """Poison messages one after the other."""
    ratio: float = 0.5
    """Share of poison among the last `window` messages; not before there were so many."""
    window: int = 1000


class PoisonGuard:
    """Counts poison; trips once there is too much of it, and stays so until `reset`. For one thread.

    Remembers at most `window` messages. `good` costs about the same for any number of messages.
    """

    def __init__(self, limits: PoisonLimits) -> None:
        self._run_length = limits.run_length
        self._ratio = limits.ratio
        self._window = limits.window if limits.ratio > 0 else 0
        self._seen = 0
        self._run: Counter[str] = Counter()  # the poison since the last good message, by reason
        self._in_a_row = 0
        self._recent: deque[tuple[int, str]] = (
            deque()
        )  # the poison in the window: which message, and its reason
        self._tripped: str | None = None

    @property
    def tripped(self) -> str | None:
        """A sentence that says how much was poison and mostly why; None while all is well."""
        return self._tripped

    def good(self, count: int = 1) -> None:
        """So many messages could be read, one after the other."""
        if self._tripped is not None or count <= 0:
            return
        if self._seen < self._window <= self._seen + count:
            self._judge_window()  # it is full for the first time in the midst of these
        self._see(count)
        if self._in_a_row:
            self._in_a_row = 0
            self._run.clear()

    def poison(self, reason: str) -> None:
        """A message could not be read."""
        if self._tripped is not None:
            return
        if self._window:
            self._recent.append((self._seen + 1, reason))
        self._see(1)
        self._in_a_row += 1
        self._run[reason] += 1
        if self._in_a_row == self._run_length:
            self._trip(f"the last {self._in_a_row} messages are all poison", self._run)
        elif self._seen >= self._window:
            self._judge_window()

    def reset(self) -> None:
        """Begin anew: a human says that it may go on."""
        self._seen = 0
        self._in_a_row = 0
        self._run.clear()
        self._recent.clear()
        self._tripped = None

    def _see(self, count: int) -> None:
        self._seen += count
        while self._recent and self._recent[0][0] <= self._seen - self._window:
            self._recent.popleft()

    def _judge_window(self) -> None:
        if self._window and len(self._recent) / self._window >= self._ratio:
            reasons = Counter(reason for _, reason in self._recent)
            self._trip(f"{len(self._recent)} of the last {self._window} messages are poison", reasons)

    def _trip(self, said: str, reasons: Counter[str]) -> None:
        reason, count = reasons.most_common(1)[0]
        self._tripped = f"{said}, {count} of them {reason}"
