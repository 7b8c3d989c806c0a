"""Sees when the event loop or the polling thread stands still, and says where."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from automation_consumer.clock import Clock
from automation_consumer.logs import get_logger
from automation_consumer.metrics import Metrics, Stalled
from automation_consumer.service.stacks import task_stacks, thread_stacks

_log = get_logger(__name__)

BEAT_S: Final = 0.25
LOOK_EVERY_S: Final = 1.0
LAG_WINDOW_S: Final = 15.0
_IDLE: Final = 0.1  # a process that used less of a second than this did not run in it


def _cpu_s() -> float:
    """Processor time that this process has used, in seconds."""
    return sum(os.times()[:2])


@dataclass
class _Watched:
    """One thing that must go round. Times are of the monotonic clock."""

    what: Stalled
    name: str
    seen: Callable[[], float | None]  # when it last went round; None: not now
    patience_s: float  # how long a stall may last, after it was reported, before the process counts as dead
    since: float | None = None  # it has stood still since


class Watchdog:
    """Looks about once a second, from a thread of its own. A stall is reported once, with all stacks, and so is its end.

    `stall_after()`: seconds of standing still that are a stall. `poll_seen`: when the polling thread last went round
    (None while it need not). `poll_patience_s`: it may block for that long with good reason: while a broker is away, a
    commit in a rebalance waits for about a session timeout.

    Time in which the whole process did not run (SIGSTOP, a starved machine) is nobody's stall and is said as what it is.
    """

    def __init__(
        self,
        *,
        stall_after: Callable[[], float],
        poll_seen: Callable[[], float | None],
        poll_patience_s: float,
        metrics: Metrics,
        clock: Clock,
        cpu_s: Callable[[], float] = _cpu_s,
    ) -> None:
        self._stall_after = stall_after
        self._metrics = metrics
        self._clock = clock
        self._cpu_s = cpu_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beat_at: float | None = None
        self._worst = _Worst()
        self._watched = (
            _Watched(Stalled.LOOP, "the event loop", lambda: self._beat_at, 0.0),
            _Watched(Stalled.POLL, "the polling thread", poll_seen, poll_patience_s),
        )
        self._looked_at = self._ran_since = clock.monotonic()
        self._cpu_at = cpu_s()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watchdog", daemon=True)

    # --- what others ask -----------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether going on is better than a restart. Any thread; never blocks."""
        now, limit_s = self._clock.monotonic(), self._stall_after()
        return all(
            each.since is None or now - each.since < limit_s + each.patience_s for each in self._watched
        )

    @property
    def standing(self) -> dict[str, float]:
        """What stands still, and for how many seconds."""
        now = self._clock.monotonic()
        return {
            str(each.what): round(now - each.since, 1) for each in self._watched if each.since is not None
        }

    # --- start and stop ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch. On the event loop."""
        self._loop = asyncio.get_running_loop()
        self.beat(self._clock.monotonic())
        self._next_beat(self._loop)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Does not wait for what is being logged."""
        self._end.set()
        self._loop = None

    # --- the event loop ------------------------------------------------------------------------------------------

    def _next_beat(self, loop: asyncio.AbstractEventLoop) -> None:
        due = self._clock.monotonic() + BEAT_S

        def beat() -> None:
            if not self._end.is_set():
                self.beat(due)
                self._next_beat(loop)

        loop.call_later(BEAT_S, beat)

    def beat(self, due: float) -> None:
        """The loop goes round; it was to do so at `due`."""
        now = self._clock.monotonic()
        self._beat_at = now
        self._metrics.loop_lag_seconds.set(self._worst.of(now, max(0.0, now - due)))

    # --- the watching thread -------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._end.wait(min(LOOK_EVERY_S, self._stall_after() / 5)):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the supervisor of the thread: a dump that fails must not end the watching
                _log.exception("a look has failed", event="watchdog.bug")

    def look(self) -> None:
        """One look at everything."""
        now, limit_s = self._clock.monotonic(), self._stall_after()
        self._look_at_ourselves(now, limit_s)
        for each in self._watched:
            seen = each.seen()
            if seen is None:
                each.since = None
            elif each.since is not None:
                if now - seen < limit_s:
                    self._goes_on(each, each.since, now)
            elif now - max(seen, self._ran_since) >= limit_s:
                each.since = seen
                self._stands(each, now - seen)

    def _look_at_ourselves(self, now: float, limit_s: float) -> None:
        gap_s, cpu_s = now - self._looked_at, self._cpu_s()
        used_s = cpu_s - self._cpu_at
        self._looked_at, self._cpu_at = now, cpu_s
        if gap_s < 2 * min(LOOK_EVERY_S, limit_s / 5):
            return
        self._ran_since = now  # we did not look either, so nobody's standing still was seen
        if gap_s < limit_s:
            return
        if used_s < gap_s * _IDLE:
            _log.warning(
                "the process did not run for %.1f s: it was stopped, or the machine gave it no time",
                gap_s,
                event="process.frozen",
                seconds=round(gap_s, 1),
            )
        else:
            _log.error(
                "no other thread could run for %.1f s: one call kept the interpreter to itself",
                gap_s,
                event="process.hogged",
                seconds=round(gap_s, 1),
            )

    def _stands(self, each: _Watched, age_s: float) -> None:
        self._metrics.stalls.labels(each.what.value).inc()
        if each.what is Stalled.LOOP:
            self._metrics.loop_lag_seconds.set(age_s)
        _log.error(
            "%s has stood still for %.1f s; what every thread is doing follows",
            each.name,
            age_s,
            event="stall.begun",
            what=each.what.value,
        )
        for name, stack in thread_stacks():
            _log.error("thread %s", name, event="stall.thread", thread=name, stack=stack)
        if self._loop is not None:
            for count, stack in task_stacks(self._loop):
                _log.error("%d tasks wait here", count, event="stall.tasks", count=count, stack=stack)

    def _goes_on(self, each: _Watched, since: float, now: float) -> None:
        each.since = None
        _log.warning(
            "%s goes on; it stood still for %.1f s",
            each.name,
            now - since,
            event="stall.over",
            what=each.what.value,
            seconds=round(now - since, 1),
        )


class _Worst:
    """The greatest of the values of the last `LAG_WINDOW_S` to twice as many seconds: a look every 15 s misses none."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._before = 0.0
        self._now = 0.0

    def of(self, now: float, value: float) -> float:
        if now - self._begun >= LAG_WINDOW_S:
            self._begun, self._before, self._now = now, self._now, 0.0
        self._now = max(self._now, value)
        return max(self._before, self._now)
