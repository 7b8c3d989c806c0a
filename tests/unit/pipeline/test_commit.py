"""The offset tracker against a simple model: whatever the interleaving, nothing unfinished is ever below the watermark."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from automation_consumer.pipeline.commit import Offsets, Partition, PartitionProgress

PARTITION = ("incidents", 0)
OTHER = ("incidents", 1)


def test_nothing_to_commit_before_anything_arrived():
    assert PartitionProgress().watermark == -1
    assert Offsets().due() == {}


def test_out_of_order_completion_commits_only_the_gap_free_run():
    progress = PartitionProgress()
    for offset in (5, 6, 7):
        progress.take(offset)
    progress.finish(6, progress.epoch)
    assert progress.watermark == 5
    progress.finish(5, progress.epoch)
    assert progress.watermark == 7
    progress.finish(7, progress.epoch)
    assert progress.watermark == 8


def test_offsets_that_never_arrive_count_as_finished():
    progress = PartitionProgress()
    progress.take(5)
    progress.skip(9)  # 6 to 8 were compacted away
    assert progress.watermark == 5
    progress.finish(5, progress.epoch)
    assert progress.watermark == 10


def test_work_of_an_earlier_assignment_does_not_count():
    """Red when `finish` does not look at the epoch."""
    offsets = Offsets()
    offsets.assign([PARTITION])
    old = offsets.epoch(PARTITION)
    offsets.progress(PARTITION).take(5)
    offsets.revoke([PARTITION])
    assert not offsets.is_current(PARTITION, old)
    offsets.assign([PARTITION])
    offsets.progress(PARTITION).take(5)
    offsets.finish(PARTITION, old, 5)
    assert not offsets.is_current(PARTITION, old)
    assert offsets.due() == {PARTITION: 5}
    offsets.finish(PARTITION, offsets.epoch(PARTITION), 5)
    assert offsets.due() == {PARTITION: 6}


def test_a_commit_that_failed_is_due_again():
    """Red when `failed` forgets nothing."""
    offsets = Offsets()
    offsets.progress(PARTITION).skip(5)
    offsets.sent(offsets.due())
    assert offsets.due() == {}
    offsets.failed([PARTITION])
    assert offsets.due() == {PARTITION: 6}


def test_a_commit_is_confirmed_only_by_the_broker():
    """Red when `unconfirmed` looks at what was sent."""
    offsets = Offsets()
    offsets.progress(PARTITION).skip(5)
    offsets.sent(offsets.due())
    assert offsets.unconfirmed() == {PARTITION: 6}
    assert offsets.committed(PARTITION) == -1
    offsets.confirmed({PARTITION: 6, OTHER: 9})
    assert offsets.unconfirmed() == offsets.unconfirmed([PARTITION, OTHER]) == {}
    assert (offsets.committed(PARTITION), offsets.committed(OTHER)) == (6, -1)


def test_what_was_sent_before_a_partition_was_lost_is_due_again():
    """Red when `revoke` keeps what was sent."""
    offsets = Offsets()
    offsets.progress(PARTITION).skip(5)
    offsets.sent(offsets.due())
    offsets.revoke([PARTITION])  # the answer never comes
    offsets.assign([PARTITION])
    offsets.progress(PARTITION).skip(5)
    assert offsets.due() == offsets.unconfirmed() == {PARTITION: 6}


def test_what_was_finished_earlier_is_remembered_by_offset_and_time():
    """Red when the time is not compared: the message of a topic that was made anew would be skipped."""
    offsets = Offsets()
    offsets.assign([PARTITION, OTHER], {PARTITION: frozenset({(7, 100), (9, 100)})})
    progress = offsets.progress(PARTITION)
    assert [progress.remembers(offset, 100) for offset in (6, 7, 8, 9)] == [False, True, False, True]
    assert not progress.remembers(7, 101)
    assert not offsets.progress(OTHER).remembers(7, 100)
    assert not progress.remembers(10, 100)
    offsets.revoke([PARTITION])
    offsets.assign([PARTITION])
    assert not offsets.progress(PARTITION).remembers(7, 100)


def test_a_log_that_goes_back_is_followed_and_forgets_nothing_unfinished():
    """Red when a lower offset only lowers the position: a commit would pass offset 3, or a late 5 finish the new 5."""
    offsets = Offsets()
    offsets.assign([PARTITION])
    progress = offsets.progress(PARTITION)
    for offset in (3, 5, 6):
        progress.take(offset)
    old = progress.epoch
    progress.take(5)  # the log was cut at 5
    new = offsets.epoch(PARTITION)
    assert new != old
    assert offsets.is_current(PARTITION, old)
    offsets.finish(PARTITION, old, 5)
    offsets.finish(PARTITION, old, 6)
    assert offsets.due() == {PARTITION: 3}
    offsets.finish(PARTITION, old, 3)
    assert offsets.due() == {PARTITION: 5}
    offsets.finish(PARTITION, new, 5)
    assert offsets.due() == {PARTITION: 6}


# --- any interleaving ------------------------------------------------------------------------------------------------


@dataclass
class Log:
    """The model of one partition: what is on it, what the broker and the journal have, what was handled."""

    offsets: list[int] = field(default_factory=list)
    """Ascending, with gaps."""
    committed: int = 0
    remembered: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    """Finished or parked: safe whatever happens."""
    position: int = 0
    last: int = -1
    """What was last committed in this assignment."""


@dataclass
class Hand:
    """A message in the hand of a process: it may finish long after its partition has gone."""

    process: int
    partition: Partition
    epoch: int
    offset: int
    parked: bool = False


class ProcessMachine(RuleBasedStateMachine):
    """Arrivals, completions, parks, commits that fail or come late, revokes, losses and crashes of two partitions."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = {PARTITION: Log([3, 4, 5, 7, 8, 9, 10]), OTHER: Log(list(range(5)))}
        self.hands: list[Hand] = []
        self.in_flight: list[dict[Partition, int]] = []
        self.process = 0
        self.offsets = Offsets()
        self.mine: set[Partition] = set()
        for partition in self.logs:
            self._assign(partition)

    def _assign(self, partition: Partition) -> None:
        log = self.logs[partition]
        log.position, log.last = log.committed, -1
        self.offsets.assign([partition], {partition: frozenset((offset, 1) for offset in log.remembered)})
        self.mine.add(partition)

    def _land(self, offsets: dict[Partition, int]) -> None:
        for partition, offset in offsets.items():
            log = self.logs[partition]
            log.committed = offset
            log.remembered = {each for each in log.remembered if each >= offset}

    # --- the world -----------------------------------------------------------------------------------------------

    @rule(partition=st.sampled_from([PARTITION, OTHER]), gaps=st.lists(st.integers(0, 2), max_size=5))
    def produce(self, partition: Partition, gaps: list[int]) -> None:
        log = self.logs[partition]
        for gap in gaps:
            log.offsets.append((log.offsets[-1] + 1 if log.offsets else 0) + gap)

    @rule(partition=st.sampled_from([PARTITION, OTHER]), count=st.integers(1, 4), wanted=st.integers(0, 15))
    def poll(self, partition: Partition, count: int, wanted: int) -> None:
        if partition not in self.mine:
            return
        log, progress = self.logs[partition], self.offsets.progress(partition)
        coming = [offset for offset in log.offsets if offset >= log.position][:count]
        for bit, offset in enumerate(coming):
            log.position = offset + 1
            if progress.remembers(offset, 1):
                assert offset in log.done
                progress.skip(offset)
            elif wanted >> bit & 1:
                progress.take(offset)
                self.hands.append(Hand(self.process, partition, self.offsets.epoch(partition), offset))
            else:
                progress.skip(offset)
                log.done.add(offset)

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), parked=st.booleans())
    def finish(self, data: st.DataObject, parked: bool) -> None:
        hand = data.draw(st.sampled_from(self.hands))
        log = self.logs[hand.partition]
        log.done.add(hand.offset)  # in the journal, whoever did it
        if parked:
            hand.parked = True  # it stays in hand, and finishes later
        else:
            self.hands.remove(hand)
            if hand.offset >= log.committed:
                log.remembered.add(hand.offset)
        if hand.process == self.process:
            self.offsets.finish(hand.partition, hand.epoch, hand.offset)

    # --- commits -------------------------------------------------------------------------------------------------

    @rule()
    def send(self) -> None:
        due = self.offsets.due()
        for partition, offset in due.items():
            assert offset >= self.logs[partition].last, "went back within an assignment"
            self.logs[partition].last = offset
        self.offsets.sent(due)
        if due:
            self.in_flight.append(due)

    @precondition(lambda self: self.in_flight)
    @rule(lands=st.booleans())
    def answer(self, lands: bool) -> None:
        sent = {
            partition: offset for partition, offset in self.in_flight.pop(0).items() if partition in self.mine
        }
        if lands:
            self._land(sent)
            self.offsets.confirmed(sent)
        else:
            self.offsets.failed(sent)

    # --- rebalances and crashes ----------------------------------------------------------------------------------

    @rule(partition=st.sampled_from([PARTITION, OTHER]), lands=st.booleans())
    def revoke(self, partition: Partition, lands: bool) -> None:
        if partition not in self.mine:
            return
        self._refuse(partition)
        unconfirmed = self.offsets.unconfirmed([partition])
        if lands:
            self._land(unconfirmed)
            log = self.logs[partition]
            assert log.committed == self._watermark(partition), "progress was lost in a revoke"
        self.offsets.revoke([partition])
        self.mine.discard(partition)

    @rule(partition=st.sampled_from([PARTITION, OTHER]))
    def lose(self, partition: Partition) -> None:
        self.offsets.revoke([partition])
        self.mine.discard(partition)
        self._refuse(partition)

    def _refuse(self, partition: Partition) -> None:
        """The broker refuses what it has not answered yet, and we never hear of it."""
        for sent in self.in_flight:
            sent.pop(partition, None)

    @rule(partition=st.sampled_from([PARTITION, OTHER]))
    def assign(self, partition: Partition) -> None:
        if partition not in self.mine:
            self._assign(partition)

    @rule()
    def crash(self) -> None:
        self.process += 1
        self.offsets = Offsets()
        self.in_flight = []
        self.mine = set()
        for partition in self.logs:
            self._assign(partition)

    # --- what must always hold -----------------------------------------------------------------------------------

    def _watermark(self, partition: Partition) -> int:
        """The first offset that this assignment has in hand, else where it stands."""
        log = self.logs[partition]
        open_ = [
            hand.offset
            for hand in self.hands
            if hand.process == self.process
            and hand.partition == partition
            and self.offsets.is_current(partition, hand.epoch)
            and not hand.parked
        ]
        arrived = self.offsets.arrived(partition)
        return min(open_, default=log.committed if arrived < 0 else arrived)

    @invariant()
    def nothing_unfinished_is_committed(self) -> None:
        for log in self.logs.values():
            lost = [offset for offset in log.offsets if offset < log.committed and offset not in log.done]
            assert not lost, f"committed {log.committed}, past {lost}"

    @invariant()
    def what_may_be_committed_is_safe(self) -> None:
        for partition, offset in self.offsets.unconfirmed().items():
            log = self.logs[partition]
            assert all(each in log.done for each in log.offsets if each < offset)

    @invariant()
    def nothing_finished_is_forgotten(self) -> None:
        due = self.offsets.due()
        for partition in self.mine:
            finished = self.offsets.progress(partition).watermark
            on_its_way = [sent.get(partition) for sent in self.in_flight]
            assert finished in (-1, self.logs[partition].committed, due.get(partition), *on_its_way)

    def teardown(self) -> None:
        """Assigned once more, everything that nobody had finished is delivered, and all of it can be committed."""
        for partition in self.logs:
            self.lose(partition)
            self.assign(partition)
        for partition, log in self.logs.items():
            while any(offset >= log.position for offset in log.offsets):
                self.poll(partition, 4, 15)
        for hand in self.hands:
            if hand.process == self.process:
                self.offsets.finish(hand.partition, hand.epoch, hand.offset)
                if self.offsets.is_current(hand.partition, hand.epoch):
                    self.logs[hand.partition].done.add(hand.offset)
        for partition, log in self.logs.items():
            assert set(log.offsets) == log.done
            if log.position > log.committed:
                assert self.offsets.due()[partition] == log.position


TestProcess = ProcessMachine.TestCase
TestProcess.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
