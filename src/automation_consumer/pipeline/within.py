"""A bound on waiting, by our clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from automation_consumer.clock import Clock
from automation_consumer.errors import EffectUnknownError

T = TypeVar("T")


async def within(clock: Clock, seconds: float | None, call: Coroutine[Any, Any, T]) -> T:
    """The call's result. EffectUnknownError when it takes longer: a blocking call cannot be stopped, only left."""
    if seconds is None:
        return await call
    work = asyncio.ensure_future(call)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise EffectUnknownError(f"no answer within {seconds:.0f} s; it may have taken effect")
    finally:
        work.cancel()
        timer.cancel()
