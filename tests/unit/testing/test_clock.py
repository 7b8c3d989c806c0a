"""The fake clock moves only when it is told to, and wakes sleepers in order."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.testing import FakeClock


@given(st.lists(st.integers(0, 100), max_size=12), st.integers(0, 100))
def test_advance_wakes_those_that_are_due_in_order(sleeps, seconds):
    woken = []

    async def scenario():
        clock = FakeClock(1000.0)

        async def sleeper(number, wait_s):
            await clock.sleep(wait_s)
            woken.append((clock.now(), wait_s, number))

        tasks = [asyncio.create_task(sleeper(*each)) for each in enumerate(sleeps)]
        await clock.advance(seconds)
        assert clock.now() == clock.monotonic() == 1000.0 + seconds
        late = [task for task in tasks if not task.done()]
        assert clock.sleepers == len(late)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())
    assert sorted(woken) == woken
    assert {number for _, _, number in woken} == {
        n for n, s in enumerate(sleeps) if 1000.0 + s <= 1000.0 + seconds
    }


async def test_auto_moves_by_itself_and_remembers():
    clock = FakeClock(auto=True)
    began = clock.now()
    await clock.sleep(5)
    await clock.sleep(0)
    assert clock.now() - began == 5
    assert clock.slept == [5, 0]


async def test_what_follows_from_a_wake_up_happens_within_the_same_advance():
    clock = FakeClock()
    done = []

    async def twice():
        await clock.sleep(1)
        await clock.sleep(1)
        done.append(clock.now())

    began = clock.now()
    task = asyncio.create_task(twice())
    await clock.advance(2)
    assert done == [began + 2]
    await task
