"""The journal does not grow for ever: once a day, runs that ended long ago are deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from automation_consumer.clock import Clock, iso
from automation_consumer.errors import StoreError
from automation_consumer.logs import get_logger
from automation_consumer.store.journal import Journal

_log = get_logger(__name__)

FIRST_S: Final = 600.0  # not in the crowd of a start, and also in a process that lives for less than a day
EVERY_S: Final = 86_400.0


async def prune_daily(journal: Journal, clock: Clock, keep_s: Callable[[], float]) -> None:
    """Delete what ended more than `keep_s()` seconds ago, soon after the start and then daily. Until it is cancelled."""
    wait_s = FIRST_S
    while True:
        await clock.sleep(wait_s)
        wait_s = EVERY_S
        before = clock.now() - keep_s()
        try:
            deleted = await journal.prune(before)
        except StoreError as error:
            _log.warning("old runs cannot be deleted: %s", error, event="journal.prune_failed")
        else:
            _log.info(
                "%d runs that ended before %s are deleted", deleted, iso(before), event="journal.pruned"
            )
