"""The poison guard against a model that remembers everything and counts it anew each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.pipeline.poison_guard import PoisonGuard, PoisonLimits

LIMITS = st.builds(
    PoisonLimits,
    run_length=st.integers(0, 6),
    ratio=st.sampled_from([0.0, 0.07, 0.3, 0.5, 0.57, 1.0]),
    window=st.integers(0, 12),
)
STEPS = st.lists(st.integers(1, 15) | st.sampled_from(["a", "b"]), max_size=60)


def expected(limits: PoisonLimits, messages: list[str | None]) -> bool:
    """Whether the last of these messages (None: good) is the one to trip at; asked for every beginning."""
    run = 0
    for reason in reversed(messages):
        if reason is None:
            break
        run += 1
    if limits.run_length and run >= limits.run_length:
        return True
    if not limits.window or not limits.ratio or len(messages) < limits.window:
        return False
    poison = sum(reason is not None for reason in messages[-limits.window :])
    return poison / limits.window >= limits.ratio


@given(LIMITS, STEPS)
def test_it_trips_exactly_when_the_model_does(limits: PoisonLimits, steps: list[int | str]) -> None:
    """Red when a run is not ended by a good message, or when the window counts before it is full or forgets late."""
    guard = PoisonGuard(limits)
    seen: list[str | None] = []
    tripped = False
    for step in steps:
        for reason in [None] * step if isinstance(step, int) else [step]:
            seen.append(reason)
            tripped = tripped or expected(limits, seen)
        if isinstance(step, int):
            guard.good(step)
        else:
            guard.poison(step)
        assert (guard.tripped is not None) == tripped


@given(LIMITS, STEPS, STEPS)
def test_after_a_reset_it_is_as_new(
    limits: PoisonLimits, before: list[int | str], after: list[int | str]
) -> None:
    used, new = PoisonGuard(limits), PoisonGuard(limits)
    play(used, before)
    used.reset()
    assert used.tripped is None
    play(used, after)
    play(new, after)
    assert used.tripped == new.tripped


def play(guard: PoisonGuard, steps: list[int | str]) -> None:
    for step in steps:
        if isinstance(step, int):
            guard.good(step)
        else:
            guard.poison(step)


@given(LIMITS, STEPS)
def test_its_memory_is_bounded(limits: PoisonLimits, steps: list[int | str]) -> None:
    guard = PoisonGuard(limits)
    play(guard, steps * 3)
    assert len(guard._recent) <= limits.window


def test_it_says_how_much_and_mostly_why() -> None:
    row = PoisonGuard(PoisonLimits(run_length=3))
    play(row, [500, "not-json", "empty", "not-json"])
    assert row.tripped == "the last 3 messages are all poison, 2 of them not-json"
    share = PoisonGuard(PoisonLimits(run_length=100, ratio=0.5, window=10))
    play(share, ["a", 1, "b", 1, "b", 1, "b", 1, "b", 1])
    assert share.tripped == "5 of the last 10 messages are poison, 4 of them b"


def test_it_stays_tripped_until_somebody_resets_it() -> None:
    guard = PoisonGuard(PoisonLimits(run_length=2))
    play(guard, ["a", "a", 100_000])
    assert guard.tripped is not None
    guard.reset()
    assert guard.tripped is None


@pytest.mark.parametrize(
    "off", [PoisonLimits(0, 0.0, 1000), PoisonLimits(0, 0.5, 0), PoisonLimits(0, 0.0, 0)]
)
def test_0_switches_it_off(off: PoisonLimits) -> None:
    guard = PoisonGuard(off)
    play(guard, ["a"] * 5000)
    assert guard.tripped is None
