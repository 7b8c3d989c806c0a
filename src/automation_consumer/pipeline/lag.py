"""How far behind each partition is: as Kafka sees it, and as it really is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from automation_consumer.clock import Clock
from automation_consumer.metrics import Metrics
from automation_consumer.pipeline.commit import Offsets, Partition
from automation_consumer.pipeline.source import Source

EVERY_S: Final = 3.0


class Lag:
    """Two gauges per partition, refreshed every few seconds from what the client knows already. Never blocks.

    A partition that is paused is not fetched from, so its end is as old as the pause.
    """

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._told_at = clock.monotonic() - EVERY_S

    def tell(self, source: Source, offsets: Offsets) -> None:
        """Set the gauges, if it is time."""
        now = self._clock.monotonic()
        if now - self._told_at < EVERY_S:
            return
        self._told_at = now
        for partition in source.assignment:
            self._tell_one(partition, source, offsets)

    def _tell_one(self, partition: Partition, source: Source, offsets: Offsets) -> None:
        known = source.watermarks(partition)
        began = source.began.get(partition)
        if known is None or began is None:
            return
        low, end = known
        # Retention may have deleted what was committed last: what is gone is not behind us.
        committed = max(low, offsets.committed(partition), began)
        delivered = max(committed, offsets.arrived(partition))
        topic, number = partition
        self._metrics.kafka_lag.labels(topic, number).set(max(0, end - committed))
        self._metrics.unfinished.labels(topic, number).set(
            max(0, end - delivered) + offsets.unfinished_of(partition)
        )

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These are no longer ours: whoever has them tells their lag."""
        for topic, number in partitions:
            self._metrics.kafka_lag.remove(topic, number)
            self._metrics.unfinished.remove(topic, number)
