"""Lanes: order within a key, nothing between keys."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.pipeline.lanes import Lanes
from automation_consumer.testing import FakeClock


async def test_a_key_s_items_wait_for_each_other_and_keys_do_not():
    clock, done = FakeClock(), []

    async def work(_, item):
        await clock.sleep(10)
        done.append((item, clock.now() - began))

    began = clock.now()
    lanes: Lanes[str] = Lanes(work, lambda error: None)
    for key, item in [("x", "x1"), ("x", "x2"), ("y", "y1")]:
        lanes.put(key, item)
    assert len(lanes) == 2
    await clock.advance(20)
    assert done == [("x1", 10), ("y1", 10), ("x2", 20)]
    await lanes.idle()
    assert len(lanes) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30))
def test_every_item_is_handled_once_in_the_order_of_its_key(items):
    seen = defaultdict(list)

    async def scenario():
        async def work(_, item):
            number, key, rounds = item
            for _ in range(rounds):
                await asyncio.sleep(0)
            seen[key].append(number)

        lanes = Lanes(work, lambda error: None)
        for number, (key, rounds) in enumerate(items):
            lanes.put(key, (number, key, rounds))
        await lanes.idle()

    asyncio.run(scenario())
    for key in "abc":
        assert seen[key] == [number for number, (own, _) in enumerate(items) if own == key]


async def test_an_error_is_reported_and_what_comes_after_it_in_the_lane_is_not_begun():
    failed, done = [], []

    async def work(_, item):
        if item == "bad":
            raise RuntimeError("bad")
        done.append(item)

    lanes = Lanes(work, failed.append)
    for key, item in [("x", "bad"), ("x", "after"), ("y", "beside")]:
        lanes.put(key, item)
    await lanes.idle()
    await asyncio.sleep(0)
    assert [str(error) for error in failed] == ["bad"]
    assert done == ["beside"]


async def test_cancelling_ends_every_lane_and_reports_nothing():
    failed = []

    async def work(_, item):
        await asyncio.Event().wait()

    lanes = Lanes(work, failed.append)
    lanes.put("x", 1)
    lanes.put("y", 1)
    await asyncio.sleep(0)
    lanes.cancel()
    await lanes.idle()
    assert (len(lanes), failed) == (0, [])
