"""Signals of this very process: what the first, the second and the late one do."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from tests.unit.service.still_clock import StillClock

from automation_consumer.clock import SystemClock
from automation_consumer.service.signals import ENDED_BY_HAND, GIVEN_UP, Signals


class Heard:
    """What the signals did."""

    def __init__(self) -> None:
        self.stops = 0
        self.reloads = 0
        self.ends: list[int] = []
        self.ended = threading.Event()

    def stop(self) -> None:
        self.stops += 1

    def reload(self) -> None:
        self.reloads += 1

    def end(self, code: int) -> None:
        self.ends.append(code)
        self.ended.set()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def signals(heard: Heard, limit_s: float = 3600.0, clock=None) -> Signals:
    return Signals(heard.stop, heard.reload, lambda: limit_s, clock or SystemClock(), heard.end)


def test_the_first_stops_and_the_second_ends_at_once(heard, until):
    """Red when the second one is left to the event loop, which may stand still: here there is none."""
    with signals(heard):
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: heard.stops == 1)
        assert heard.ends == []
        os.kill(os.getpid(), signal.SIGINT)
        until(lambda: heard.ends == [ENDED_BY_HAND])
    assert heard.stops == 1


def test_sighup_reloads_and_does_not_count_as_a_stop(heard, until):
    with signals(heard):
        for number in (1, 2, 3):
            os.kill(os.getpid(), signal.SIGHUP)
            until(lambda number=number: heard.reloads == number)
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: heard.stops == 1)
    assert heard.ends == []


def test_a_stop_that_takes_too_long_is_given_up(heard, until, caplog):
    """Red without the deadline: a close that hangs would hold the pod until it is killed."""
    with signals(heard, limit_s=0.05) as listening:
        listening.step = "closing the journal"
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: heard.ends == [GIVEN_UP])
    assert "closing the journal" in caplog.text


def test_a_stop_for_another_reason_has_its_limit_too(heard, until):
    with signals(heard, limit_s=0.05) as listening:
        listening.stop_begun()
        until(lambda: heard.ends == [GIVEN_UP])
    assert heard.stops == 0


def test_a_stop_for_another_reason_does_not_make_the_first_signal_the_second(heard, until):
    with signals(heard) as listening:
        listening.stop_begun()
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: heard.stops == 1)
    assert heard.ends == []


def test_the_limit_counts_from_the_first_moment(heard, until):
    clock = StillClock()
    with signals(heard, clock=clock) as listening:
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: heard.stops == 1)
        clock.time_s += 3601
        listening.stop_begun()
        until(lambda: heard.ends == [GIVEN_UP])


def test_signals_of_others_mean_nothing(heard, until):
    """Red when every number that is not SIGHUP begins the stop: a plugin's handler would end the process."""
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    with signals(heard, limit_s=0.0):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: heard.reloads == 1)
    signal.signal(signal.SIGUSR1, before)
    assert (heard.stops, heard.ends) == (0, [])


def test_what_was_there_before_is_there_again(heard):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with signals(heard):
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.set_wakeup_fd(-1) == -1


def test_without_reloads_sighup_is_left_as_it_was(heard):
    before = signal.getsignal(signal.SIGHUP)
    with Signals(heard.stop, None, lambda: 1.0, SystemClock(), heard.end):
        assert signal.getsignal(signal.SIGHUP) is before
