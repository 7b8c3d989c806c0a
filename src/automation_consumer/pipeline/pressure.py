"""Back-pressure: full means paused partitions, never a dropped message, and never one partition at the others' cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from automation_consumer.pipeline.commit import Offsets, Partition
from automation_consumer.pipeline.source import Source

BATCH: Final = 500
RESUME_BELOW: Final = (
    0.75  # of a share: so that partitions don't flap, since a pause drops what was fetched ahead
)
_ROOM: Final = (
    0.1  # of a share: with less room than that a partition counts as full, so that batches don't get tiny
)


class Pressure:
    """Which partitions are paused, and how many messages the next poll may bring.

    Every partition that is ours may have an equal share of `max_in_flight` messages unfinished: a share stays free for a
    partition that has nothing now, so that nobody waits for another's slow jobs. One over its share is paused alone. Messages of partitions that have gone count until they are finished, so there are never more
    than `max_in_flight` at a time. Owned by the thread that polls.
    """

    def __init__(self, max_in_flight: int) -> None:
        self._max = max_in_flight
        self._full = False
        self.paused: frozenset[Partition] = frozenset()

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These have come or gone; whoever gets them anew gets them running."""
        self.paused = self.paused.difference(partitions)

    def keep(self, source: Source, offsets: Offsets, in_flight: int, *, closed: bool) -> int:
        """Pause and resume where it is due; the size of the next batch, at least 1. `closed`: take nothing at all."""
        mine = source.assignment
        share = max(1, self._max // max(1, len(mine)))
        batch = min(BATCH, share)
        if closed:
            wanted = mine
        elif not in_flight:
            wanted = frozenset()
        else:
            wanted = self._over(mine, share, offsets, in_flight)
            running = mine - wanted
            left = min((share - offsets.unfinished_of(each) for each in running), default=share)
            batch = min(batch, left, self._max - in_flight)
        self._apply(source, wanted)
        return max(1, batch)

    def _over(
        self, mine: frozenset[Partition], share: int, offsets: Offsets, in_flight: int
    ) -> frozenset[Partition]:
        room = self._max - in_flight
        self._full = room <= 0 or (self._full and room < share * (1 - RESUME_BELOW))
        if self._full:
            return mine
        full = share - max(1, int(share * _ROOM))
        return frozenset(
            each
            for each in mine
            if offsets.unfinished_of(each) > full
            or (each in self.paused and offsets.unfinished_of(each) >= share * RESUME_BELOW)
        )

    def _apply(self, source: Source, wanted: frozenset[Partition]) -> None:
        if wanted == self.paused:
            return
        source.resume(self.paused - wanted)
        source.pause(wanted - self.paused)
        self.paused = wanted
