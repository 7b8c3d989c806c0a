"""Standing still: when it is seen, what is said of it, and when the process counts as dead."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.service.still_clock import StillClock

from automation_consumer.clock import SystemClock
from automation_consumer.metrics import Metrics
from automation_consumer.service.watchdog import Watchdog

SESSION_S = 45.0


class Watched:
    """A watchdog over a loop and a polling thread that go round when the test says so."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.polled: float | None = self.clock.time_s
        self.cpu_s = 0.0
        self.metrics = Metrics(CollectorRegistry())
        self.dog = Watchdog(
            stall_after=lambda: 10.0,
            poll_seen=lambda: self.polled,
            poll_patience_s=SESSION_S,
            metrics=self.metrics,
            clock=self.clock,
            cpu_s=lambda: self.cpu_s,
        )
        self.dog.beat(self.clock.time_s)

    def after(self, seconds: int, *, loop: bool = True, poll: bool = True) -> None:
        """A look in each of these seconds, in which the loop or the polling thread went round or not."""
        for _ in range(seconds):
            self.clock.time_s += 1
            self.cpu_s += 0.5
            if loop:
                self.dog.beat(self.clock.time_s)
            if poll:
                self.polled = self.clock.time_s
            self.dog.look()

    def stalls(self, what: str) -> float:
        return self.metrics.registry.get_sample_value("automation_stalls_total", {"what": what})


@pytest.fixture
def it() -> Watched:
    return Watched()


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.fields["event"] for record in caplog.records]


def test_what_goes_round_is_no_stall(it, caplog):
    it.after(100)
    assert it.dog.live
    assert it.dog.standing == {}
    assert events(caplog) == []


def test_a_loop_that_stands_still_is_reported_once_and_the_process_is_not_live(it, caplog):
    """Red when `_stands` is called at every look, or when `live` leaves out the loop."""
    it.after(9, loop=False)
    assert it.dog.live
    it.after(20, loop=False)
    assert not it.dog.live
    assert it.dog.standing == {"loop": 29.0}
    assert it.stalls("loop") == 1
    assert events(caplog).count("stall.begun") == 1
    assert it.metrics.registry.get_sample_value("automation_loop_lag_seconds") >= 10
    it.after(1)
    assert it.dog.live
    assert it.dog.standing == {}
    assert events(caplog)[-1] == "stall.over"
    assert caplog.records[-1].fields["seconds"] == 30
    it.after(11, loop=False)
    assert it.stalls("loop") == 2


def test_a_polling_thread_may_wait_for_a_session_timeout_before_the_process_counts_as_dead(it, caplog):
    """Red without `patience_s`: a pod would be killed in the middle of a rebalance while the broker restarts."""
    it.after(10, poll=False)
    assert it.stalls("poll") == 1
    it.after(44, poll=False)
    assert it.dog.live
    it.after(2, poll=False)
    assert not it.dog.live
    it.after(1)
    assert it.dog.live
    assert events(caplog)[-1] == "stall.over"


def test_a_polling_thread_that_has_ended_is_not_watched(it):
    it.polled = None
    it.after(100, poll=False)
    assert it.dog.live
    assert it.stalls("poll") == 0


def test_a_process_that_was_stopped_and_goes_on_reports_no_stall(it, caplog):
    """Red without `_ran_since`: each replica that was frozen by its machine would dump its stacks and be killed."""
    it.clock.time_s += 60
    it.dog.look()
    it.after(9, loop=False, poll=False)
    assert it.dog.live
    assert it.stalls("loop") == it.stalls("poll") == 0
    assert events(caplog) == ["process.frozen"]
    assert "did not run for 60.0 s" in caplog.text


def test_who_still_stands_after_the_process_was_stopped_is_reported(it):
    it.clock.time_s += 60
    it.dog.look()
    it.after(10, loop=False)
    assert it.stalls("loop") == 1
    assert not it.dog.live


def test_a_stall_that_began_before_the_process_was_stopped_is_not_over_by_that(it, caplog):
    it.after(15, loop=False)
    it.clock.time_s += 60
    it.dog.look()
    assert "stall.over" not in events(caplog)
    assert it.dog.standing["loop"] == 75.0


def test_one_call_that_let_no_other_thread_run_is_told_from_a_process_that_did_not_run(it, caplog):
    """Red when the processor time is not looked at: both would read the same."""
    it.clock.time_s += 30
    it.cpu_s += 29.5
    it.dog.look()
    assert events(caplog) == ["process.hogged"]


def test_the_lag_is_the_greatest_of_the_last_seconds(it):
    lag = lambda: it.metrics.registry.get_sample_value("automation_loop_lag_seconds")  # noqa: E731
    it.dog.beat(it.clock.time_s - 0.75)
    it.after(10)
    assert lag() == 0.75
    it.after(40)
    assert lag() == 0.0


# --- with a real loop and real threads -------------------------------------------------------------------------------


@pytest.fixture
def blocked_thread() -> Iterator[None]:
    release = threading.Event()

    def in_a_thread_that_waits() -> None:
        release.wait()

    thread = threading.Thread(target=in_a_thread_that_waits, name="stuck-worker")
    thread.start()
    yield
    release.set()
    thread.join()


async def in_a_task_that_waits(event: asyncio.Event) -> None:
    await event.wait()


async def outer(event: asyncio.Event) -> None:
    await in_a_task_that_waits(event)


def block_the_loop(dog: Watchdog) -> None:
    end = time.monotonic() + 20
    while not dog.standing and time.monotonic() < end:
        time.sleep(0.01)


async def test_the_stacks_of_a_standing_loop_say_where_it_stands(blocked_thread, until, caplog):
    """Red when the dump is made on the loop, or when a task's inner coroutines are left out."""
    metrics, event = Metrics(CollectorRegistry()), asyncio.Event()
    dog = Watchdog(
        stall_after=lambda: 0.2,
        poll_seen=lambda: None,
        poll_patience_s=0.0,
        metrics=metrics,
        clock=SystemClock(),
    )
    tasks = [asyncio.create_task(outer(event)) for _ in range(300)]
    with caplog.at_level(logging.WARNING):
        dog.start()
        await asyncio.sleep(0)
        block_the_loop(dog)
        async with asyncio.timeout(20):
            while dog.standing or "stall.over" not in events(caplog):
                await asyncio.sleep(0.01)
        dog.stop()
    dog._thread.join()
    threads = {
        record.fields["thread"]: record.fields["stack"]
        for record in caplog.records
        if record.fields["event"] == "stall.thread"
    }
    assert "block_the_loop" in threads["MainThread"]
    assert "in_a_thread_that_waits" in threads["stuck-worker"]
    assert "watchdog" not in threads
    waiting = [r.fields for r in caplog.records if r.fields["event"] == "stall.tasks"]
    assert any(
        each["count"] == 300 and "in outer" in each["stack"] and "in in_a_task_that_waits" in each["stack"]
        for each in waiting
    )
    assert metrics.registry.get_sample_value("automation_stalls_total", {"what": "loop"}) == 1
    event.set()
    await asyncio.gather(*tasks)
