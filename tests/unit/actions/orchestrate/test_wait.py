"""The action type `wait`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standins.action_context import ManualClock, make_context

from automation_consumer.actions.orchestrate.wait import Wait, WaitParams


async def test_it_is_over_when_the_time_is_up_and_not_before():
    clock, action, params = ManualClock(), Wait(), WaitParams(duration="2m")
    handle = await action.submit(make_context(clock=clock), params)
    clock.time += 119.9
    assert await action.poll(make_context(clock=clock), handle, params) is None
    clock.time += 0.1
    outcome = await action.poll(make_context(clock=clock), handle, params)
    assert outcome is not None
    assert (outcome.ok, outcome.message) == (True, "waited 120 s")
    await action.cancel(make_context(clock=clock), handle, params)


async def test_a_restart_does_not_begin_it_anew():
    clock, action, params = ManualClock(), Wait(), WaitParams(duration=60)
    started_at = clock.now()
    handle = await action.submit(make_context(clock=clock), params)
    clock.time += 45
    assert await action.find(make_context(clock=clock, started_at=started_at), params) == handle


async def test_no_time_at_all_is_over_at_once():
    ctx, params = make_context(), WaitParams(duration=0)
    assert await Wait().poll(ctx, await Wait().submit(ctx, params), params) is not None
    assert Wait().poll_interval_s(params) == 0


@given(st.floats(0, 10_000_000))
def test_a_poll_falls_on_the_end(duration):
    step = Wait().poll_interval_s(WaitParams(duration=duration))
    assert step <= 15
    steps = duration / step if step else 0
    assert steps == pytest.approx(round(steps))


async def test_preview():
    assert await Wait().preview(make_context(), WaitParams(duration="1m")) == "would wait 60 s"
