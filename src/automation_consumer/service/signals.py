"""Signals, heard by a thread of their own: also while the event loop stands still, or while something blocks the end."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final

from automation_consumer.clock import Clock
from automation_consumer.logs import get_logger

_log = get_logger(__name__)

ENDED_BY_HAND: Final = 130
GIVEN_UP: Final = 2
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_STOP_BEGUN: Final = 0  # no signal has this number
_LAST_WORDS_S: Final = 1.0


class Signals:
    """The first SIGTERM or SIGINT calls `on_stop`, a second one ends the process at once; SIGHUP calls `on_reload`, if there is one.

    From the first one on, or from `stop_begun` on, the process has `limit_s()` seconds to end; then it is ended. Both
    calls come from this object's thread and must not block. A context manager of the main thread.

    The interpreter runs a handler only when the main thread is about to run Python code, which it may never do again.
    The descriptor that is used here is written to at once, whatever the threads do.
    """

    def __init__(
        self,
        on_stop: Callable[[], object],
        on_reload: Callable[[], object] | None,
        limit_s: Callable[[], float],
        clock: Clock,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._on_stop = on_stop
        self._on_reload = on_reload
        self._limit_s = limit_s
        self._clock = clock
        self._end = end
        self._stopped = False
        self._deadline: float | None = None
        self._before: dict[int, Any] = {}
        self.step = "stopping"
        """What the end waits for at the moment; said when it takes too long."""

    def __enter__(self) -> Signals:
        self._hears, self._says = socket.socketpair()
        self._says.setblocking(False)  # a rule of set_wakeup_fd
        self._fd_before = signal.set_wakeup_fd(self._says.fileno(), warn_on_full_buffer=False)
        for number in _STOPS if self._on_reload is None else (*_STOPS, signal.SIGHUP):
            self._before[number] = signal.signal(number, _nothing)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        self._says.close()  # the thread reads the end of it
        self._thread.join()
        self._hears.close()

    def stop_begun(self) -> None:
        """The service is ending for another reason than a signal; its time runs from now on. Any thread."""
        self._says.send(bytes([_STOP_BEGUN]))

    def _listen(self) -> None:
        while True:
            left_s = None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())
            readable, _, _ = select.select([self._hears], [], [], left_s)
            if not readable:
                self._give_up()
                return
            heard = self._hears.recv(64)
            if not heard:
                return
            for number in heard:
                self._heard(number)

    def _heard(self, number: int) -> None:
        if number == signal.SIGHUP:
            if self._on_reload is not None:
                self._on_reload()
        elif number == _STOP_BEGUN:
            self._begin_to_end()
        elif number in _STOPS and self._stopped:
            self._end(ENDED_BY_HAND)  # at once: nothing else runs, as with kill -9
        elif number in _STOPS:  # others may be heard too: every one that has a handler in this process
            self._stopped = True
            self._begin_to_end()
            self._on_stop()

    def _begin_to_end(self) -> None:
        if self._deadline is None:
            self._deadline = self._clock.monotonic() + self._limit_s()

    def _give_up(self) -> None:
        # In a thread: whatever blocks the process may block its log as well.
        words = threading.Thread(target=self._last_words, daemon=True)
        words.start()
        words.join(_LAST_WORDS_S)
        self._end(GIVEN_UP)

    def _last_words(self) -> None:
        _log.error(
            "the stop has taken %.0f s and is still %s: the process is ended now, as safely as by kill -9",
            self._limit_s(),
            self.step,
            event="service.given_up",
        )


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler, so that the signal is not handled by default; the thread has heard it already."""
