"""The offsets: which messages are finished, and how far each partition may be committed. Nothing else moves an offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Partition = tuple[str, int]


class PartitionProgress:
    """One partition in one assignment. Offsets arrive in ascending order and finish in any order.

    The watermark is the next offset to read after a restart: everything below it is finished. Offsets that never
    arrived (compacted away, transaction markers) count as finished.
    """

    __slots__ = ("_next", "_open")

    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # taken and not finished, ascending (dicts keep their order)
        self._next = -1  # one past the last offset taken

    def take(self, offset: int) -> None:
        """A message arrived; it is not finished."""
        self._open[offset] = None
        self._next = offset + 1

    def skip(self, offset: int) -> None:
        """A message arrived that needs nothing: finished at once."""
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """A message is finished."""
        self._open.pop(offset, None)

    @property
    def unfinished(self) -> int:
        return len(self._open)

    @property
    def next_offset(self) -> int:
        """One past the last offset that arrived; -1 when nothing has."""
        return self._next

    @property
    def watermark(self) -> int:
        """The offset to commit; -1 when nothing has arrived yet."""
        for offset in self._open:
            return offset
        return self._next


class Offsets:
    """All partitions of this process. Owned by the thread that polls."""

    def __init__(self) -> None:
        self._partitions: dict[Partition, PartitionProgress] = {}
        self._epochs: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Begin anew for these partitions: what an earlier assignment took no longer counts."""
        for partition in partitions:
            self._partitions[partition] = PartitionProgress()
            self._epochs[partition] = self._epochs.get(partition, 0) + 1
            self._committed.pop(partition, None)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Forget these partitions."""
        for partition in partitions:
            self._partitions.pop(partition, None)
            self._committed.pop(partition, None)

    def arrived(self, partition: Partition) -> int:
        """One past the last offset that arrived; -1 when nothing has, or the partition is not ours."""
        found = self._partitions.get(partition)
        return -1 if found is None else found.next_offset

    def progress(self, partition: Partition) -> PartitionProgress:
        found = self._partitions.get(partition)
        if found is None:
            self.assign([partition])
            found = self._partitions[partition]
        return found

    def epoch(self, partition: Partition) -> int:
        """Which assignment of the partition this is; `finish` ignores messages of an earlier one."""
        return self._epochs.get(partition, 0)

    def finish(self, partition: Partition, epoch: int, offset: int) -> None:
        found = self._partitions.get(partition)
        if found is not None and self._epochs[partition] == epoch:
            found.finish(offset)

    @property
    def unfinished(self) -> int:
        """Messages taken and not finished, over all partitions."""
        return sum(progress.unfinished for progress in self._partitions.values())

    def due(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """What may be committed and is not yet, per partition."""
        wanted = self._partitions if partitions is None else partitions
        found = {}
        for partition in wanted:
            progress = self._partitions.get(partition)
            if progress is None:
                continue
            watermark = progress.watermark
            if watermark >= 0 and watermark != self._committed.get(partition):
                found[partition] = watermark
        return found

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These were handed to the broker."""
        self._committed.update(offsets)

    def failed(self, partitions: Iterable[Partition]) -> None:
        """Their commit did not land: due again."""
        for partition in partitions:
            self._committed.pop(partition, None)
