"""Is a job with our marker there? Asked before anything is repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from automation_consumer.clock import Clock
from automation_consumer.errors import EffectUnknownError, TemporaryError
from automation_consumer.model.outcome import Handle
from automation_consumer.pipeline.pauses import Pauses

INTERVAL_S = 1.0
GIVE_UP_S = 900.0  # a system that cannot be asked for this long: the effect stays unknown


async def look_up(
    find: Callable[[], Awaitable[Handle | None]], settle_s: float, clock: Clock, pauses: Pauses
) -> Handle | None:
    """Ask until the job is there, or until it can no longer appear. EffectUnknownError when it cannot be asked.

    `settle_s` counts from now, not from the submit: the call may have been cut off late, and its effect comes later
    still.
    """
    settled_at = clock.monotonic() + settle_s
    give_up_at = clock.monotonic() + GIVE_UP_S
    while True:
        pause_s = INTERVAL_S
        try:
            found = await find()
            if found is not None or clock.monotonic() >= settled_at:
                return found
            pause_s = min(pause_s, max(settled_at - clock.monotonic(), 0.01))
        except TemporaryError as error:
            if clock.monotonic() >= give_up_at:
                raise EffectUnknownError(f"cannot be looked up: {error}") from error
            pause_s = max(pause_s, error.retry_after_s or 5.0)
        await pauses.sleep(pause_s)
