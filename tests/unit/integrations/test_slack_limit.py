"""The queue of a channel, with a clock that the test moves."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from tests.standins.action_context import ManualClock

from automation_consumer.errors import ThrottledError
from automation_consumer.integrations.slack_limit import ChannelLimiter


def wait_of(limiter: ChannelLimiter, channel: str, who: str) -> float:
    """Seconds that `who` is told to wait; 0 when it may send."""
    try:
        limiter.take(channel, who)
    except ThrottledError as error:
        return error.retry_after_s or -1.0
    return 0.0


def test_twenty_at_once_get_one_place_each():
    clock = ManualClock()
    limiter = ChannelLimiter(clock)
    assert [wait_of(limiter, "C1", f"r{n}") for n in range(20)] == [float(n) for n in range(20)]
    # Who asks again keeps the place.
    assert wait_of(limiter, "C1", "r5") == 5.0
    clock.time += 5
    assert wait_of(limiter, "C1", "r5") == 0.0
    # Who comes late takes the place at the end.
    assert wait_of(limiter, "C1", "new") == 15.0


def test_channels_do_not_wait_for_each_other():
    limiter = ChannelLimiter(ManualClock())
    assert [wait_of(limiter, channel, "r") for channel in ("C1", "C2", "C3")] == [0.0, 0.0, 0.0]


def test_one_who_sends_twice_waits_for_the_second():
    limiter = ChannelLimiter(ManualClock())
    assert [wait_of(limiter, "C1", "r"), wait_of(limiter, "C1", "r")] == [0.0, 1.0]


def test_a_quiet_channel_is_free_at_once():
    clock = ManualClock()
    limiter = ChannelLimiter(clock)
    wait_of(limiter, "C1", "a")
    clock.time += 100
    assert wait_of(limiter, "C1", "b") == 0.0
    assert wait_of(limiter, "C1", "c") == 1.0


def test_what_slack_says_holds_for_the_whole_queue():
    clock = ManualClock()
    limiter = ChannelLimiter(clock)
    for who in ("sender", "a", "b"):
        wait_of(limiter, "C1", who)
    limiter.hold_back("C1", 30)
    limiter.hold_back("C1", 30)  # a second answer of the same moment adds nothing
    assert [wait_of(limiter, "C1", who) for who in ("a", "b", "sender")] == [30.0, 31.0, 32.0]
    assert wait_of(limiter, "C2", "x") == 0.0


def test_hold_back_of_a_channel_without_a_queue():
    limiter = ChannelLimiter(ManualClock())
    limiter.hold_back("C1", 9)
    assert wait_of(limiter, "C1", "a") == 9.0


def test_places_that_nobody_claims_are_forgotten():
    clock = ManualClock()
    limiter = ChannelLimiter(clock)
    for number in range(50):
        wait_of(limiter, "C1", f"gone{number}")
    clock.time += 10_000
    for who in ("x", "y"):
        wait_of(limiter, "C1", who)
    assert set(limiter._channels["C1"].places) == {"y"}


def test_threads_never_get_the_same_second():
    limiter = ChannelLimiter(ManualClock())
    waits: list[float] = []
    threads = [
        threading.Thread(target=lambda n=n: waits.append(wait_of(limiter, "C1", f"r{n}"))) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [float(n) for n in range(16)]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 3)), max_size=60))
def test_whoever_asks_and_whenever_sends_are_a_second_apart(steps):
    clock = ManualClock(0.0)
    limiter = ChannelLimiter(clock)
    sent: list[float] = []
    for who, pause in steps:
        clock.time += pause
        if wait_of(limiter, "C1", str(who)) == 0.0:
            sent.append(clock.time)
    # A place that is claimed late may be followed by one that is claimed in time: the long run is what is bounded.
    assert len(sent) <= clock.time + 1 + 1e-6
