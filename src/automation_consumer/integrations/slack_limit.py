"""Slack's rate limit, kept before Slack has to enforce it: about one message a second and channel."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from automation_consumer.clock import Clock
from automation_consumer.errors import ThrottledError

INTERVAL_S: Final = 1.0
_FORGET_S: Final = 600.0


@dataclass(slots=True)
class _Channel:
    next_free: float = 0.0
    places: dict[str, float] = field(default_factory=dict)


class ChannelLimiter:
    """A queue for each channel, shared by all threads. Nobody waits inside: who comes too early gets a place in the
    queue and a `ThrottledError` that says when to come again; the place is kept for `who`."""

    def __init__(self, clock: Clock, interval_s: float = INTERVAL_S) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._channels: dict[str, _Channel] = {}

    def take(self, channel: str, who: str) -> None:
        """Return when `who` may send to `channel` now; else ThrottledError with `retry_after_s`."""
        now = self._clock.monotonic()
        with self._lock:
            queue = self._channels.setdefault(channel, _Channel())
            due = queue.places.get(who)
            if due is None:
                due = max(now, queue.next_free)
                queue.next_free = due + self._interval_s
            if due <= now:
                queue.places.pop(who, None)
                return
            queue.places[who] = due
            self._forget_unclaimed(queue, now)
        raise ThrottledError(
            f"Slack takes about one message a second and channel; {len(queue.places)} are queued for {channel}",
            retry_after_s=due - now,
        )

    def hold_back(self, channel: str, seconds: float) -> None:
        """Slack said to wait: everyone in the queue of `channel` moves back until the first comes no sooner."""
        now = self._clock.monotonic()
        with self._lock:
            queue = self._channels.setdefault(channel, _Channel())
            first = min(queue.places.values(), default=queue.next_free)
            delay = max(0.0, now + seconds - first)
            queue.places = {who: due + delay for who, due in queue.places.items()}
            queue.next_free = max(queue.next_free + delay, now + seconds)

    def _forget_unclaimed(self, queue: _Channel, now: float) -> None:
        """Runs that were cancelled never come back for their place."""
        for who in [who for who, due in queue.places.items() if due < now - _FORGET_S]:
            del queue.places[who]
