"""The offsets: which messages are finished, and how far each partition may be committed. Nothing else moves an offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Partition = tuple[str, int]
Place = tuple[
    int, int
]  # (offset, timestamp in ms): the same offset of a topic that was made anew is another message

NOTHING: frozenset[Place] = frozenset()


class PartitionProgress:
    """One partition in one assignment. Offsets arrive in ascending order and finish in any order.

    The watermark is the next offset to read after a restart: everything below it is finished. Offsets that never
    arrived (compacted away, transaction markers) count as finished.

    When the partition goes back (the log was cut, or the topic made anew) what arrives is a new message, with a new
    epoch; what is unfinished before it still holds the watermark.
    """

    __slots__ = ("_next", "_open", "_remembered", "_remembered_until", "epoch", "first_epoch")

    def __init__(self, epoch: int = 1, remembered: frozenset[Place] = NOTHING) -> None:
        self._open: dict[
            int, int
        ] = {}  # taken and not finished, ascending (dicts keep their order), with its epoch
        self._next = -1  # one past the last offset taken
        self.epoch = self.first_epoch = epoch
        self.remember(remembered)

    def remember(self, places: frozenset[Place]) -> None:
        """These were finished earlier, beyond what is committed: they need nothing."""
        self._remembered = places
        self._remembered_until = max((offset for offset, _ in places), default=-1)

    def remembers(self, offset: int, timestamp_ms: int) -> bool:
        """Whether the message that arrives now was finished earlier."""
        if not self._remembered:
            return False
        if offset > self._remembered_until:
            self._remembered = NOTHING  # passed; a partition may have many
            return False
        return (offset, timestamp_ms) in self._remembered

    def take(self, offset: int) -> None:
        """A message arrived; it is not finished."""
        if offset < self._next:
            self._go_back(offset)
        self._open[offset] = self.epoch
        self._next = offset + 1

    def skip(self, offset: int) -> None:
        """A message arrived that needs nothing: finished at once."""
        if offset < self._next:
            self._go_back(offset)
        self._next = offset + 1

    def _go_back(self, offset: int) -> None:
        # What is unfinished from there on comes again, or is gone; a late completion of it must not count for the new.
        self._open = {each: epoch for each, epoch in self._open.items() if each < offset}
        self.epoch += 1

    def finish(self, offset: int, epoch: int) -> None:
        """A message is finished, or need not hold the watermark any longer. More than once does no harm."""
        if self._open.get(offset) == epoch:
            del self._open[offset]

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
    """All partitions of this process. Owned by the thread that polls; `is_current` is for any thread."""

    def __init__(self) -> None:
        self._partitions: dict[Partition, PartitionProgress] = {}
        self._epochs: dict[Partition, int] = {}
        self._sent: dict[Partition, int] = {}
        self._confirmed: dict[Partition, int] = {}

    def assign(
        self,
        partitions: Iterable[Partition],
        remembered: Mapping[Partition, frozenset[Place]] | None = None,
    ) -> None:
        """Begin anew for these partitions: what an earlier assignment took no longer counts."""
        for partition in partitions:
            self.revoke([partition])
            epoch = self._epochs.get(partition, 0) + 1
            self._partitions[partition] = PartitionProgress(epoch)
            self._epochs[partition] = epoch
        if remembered:
            self.remember(remembered)

    def remember(self, remembered: Mapping[Partition, frozenset[Place]]) -> None:
        """What of the partitions that are ours is finished already."""
        for partition, places in remembered.items():
            found = self._partitions.get(partition)
            if found is not None:
                found.remember(places)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Forget these partitions."""
        for partition in partitions:
            found = self._partitions.pop(partition, None)
            if found is not None:
                self._epochs[partition] = found.epoch
            self._sent.pop(partition, None)
            self._confirmed.pop(partition, None)

    def progress(self, partition: Partition) -> PartitionProgress:
        found = self._partitions.get(partition)
        if found is None:
            self.assign([partition])
            found = self._partitions[partition]
        return found

    def arrived(self, partition: Partition) -> int:
        """One past the last offset that arrived; -1 when nothing has, or the partition is not ours."""
        found = self._partitions.get(partition)
        return -1 if found is None else found.next_offset

    def epoch(self, partition: Partition) -> int:
        """Under which assignment a message of the partition is taken now; `finish` needs it."""
        found = self._partitions.get(partition)
        return self._epochs.get(partition, 0) if found is None else found.epoch

    def is_current(self, partition: Partition, epoch: int) -> bool:
        """Whether the assignment of that epoch still stands."""
        found = self._partitions.get(partition)
        return found is not None and epoch >= found.first_epoch

    def finish(self, partition: Partition, epoch: int, offset: int) -> None:
        """A message is finished; one of an earlier assignment is ignored. More than once does no harm."""
        found = self._partitions.get(partition)
        if found is not None:
            found.finish(offset, epoch)

    @property
    def unfinished(self) -> int:
        """Messages taken and not finished, over all partitions."""
        return sum(progress.unfinished for progress in self._partitions.values())

    def unfinished_of(self, partition: Partition) -> int:
        """The same of one partition; 0 when it is not ours."""
        found = self._partitions.get(partition)
        return 0 if found is None else found.unfinished

    # --- what is committed ---------------------------------------------------------------------------------------

    def due(self) -> dict[Partition, int]:
        """What may be committed and has not been sent to the broker yet."""
        return self._behind(self._partitions, self._sent)

    def unconfirmed(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """What may be committed and is not known to be, sent or not."""
        return self._behind(self._partitions if partitions is None else partitions, self._confirmed)

    def _behind(self, partitions: Iterable[Partition], done: Mapping[Partition, int]) -> dict[Partition, int]:
        found = {}
        for partition in partitions:
            progress = self._partitions.get(partition)
            if progress is None:
                continue
            watermark = progress.watermark
            if watermark >= 0 and watermark != done.get(partition):
                found[partition] = watermark
        return found

    def sent(self, offsets: Mapping[Partition, int]) -> None:
        """These were handed to the broker, which has not answered yet."""
        self._sent.update(offsets)

    def confirmed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has these."""
        for partition, offset in offsets.items():
            if partition in self._partitions:
                self._confirmed[partition] = offset
                self._sent.setdefault(partition, offset)

    def failed(self, partitions: Iterable[Partition]) -> None:
        """Their commit did not land: due again."""
        for partition in partitions:
            self._sent.pop(partition, None)
            self._confirmed.pop(partition, None)

    def committed(self, partition: Partition) -> int:
        """What the broker is known to have from this assignment; -1 when nothing yet."""
        return self._confirmed.get(partition, -1)
