"""The offset tracker against a simple model: whatever the interleaving, nothing unfinished is ever below the watermark."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from automation_consumer.pipeline.commit import Offsets, PartitionProgress

PARTITION = ("incidents", 0)


def test_nothing_to_commit_before_anything_arrived():
    assert PartitionProgress().watermark == -1
    assert Offsets().due() == {}


def test_out_of_order_completion_commits_only_the_gap_free_run():
    progress = PartitionProgress()
    for offset in (5, 6, 7):
        progress.take(offset)
    progress.finish(6)
    assert progress.watermark == 5
    progress.finish(5)
    assert progress.watermark == 7
    progress.finish(7)
    assert progress.watermark == 8


def test_offsets_that_never_arrive_count_as_finished():
    progress = PartitionProgress()
    progress.take(5)
    progress.skip(9)  # 6 to 8 were compacted away
    assert progress.watermark == 5
    progress.finish(5)
    assert progress.watermark == 10


def test_work_of_an_earlier_assignment_does_not_count():
    offsets = Offsets()
    offsets.assign([PARTITION])
    old = offsets.epoch(PARTITION)
    offsets.progress(PARTITION).take(5)
    offsets.revoke([PARTITION])
    offsets.assign([PARTITION])
    offsets.progress(PARTITION).take(5)
    offsets.finish(PARTITION, old, 5)
    assert offsets.due() == {PARTITION: 5}
    offsets.finish(PARTITION, offsets.epoch(PARTITION), 5)
    assert offsets.due() == {PARTITION: 6}


def test_a_commit_that_failed_is_due_again():
    offsets = Offsets()
    offsets.progress(PARTITION).skip(5)
    offsets.committed(offsets.due())
    assert offsets.due() == {}
    offsets.failed([PARTITION])
    assert offsets.due() == {PARTITION: 6}


class OffsetMachine(RuleBasedStateMachine):
    """Arrivals, completions, commits, crashes and revokes of one partition, beside a log of what is finished."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.offsets = Offsets()
        self.offsets.assign([PARTITION])
        self.epoch = self.offsets.epoch(PARTITION)
        self.position = 0
        self.committed = 0
        self.unfinished: set[int] = set()

    @rule(target=taken, gap=st.integers(0, 3))
    def take(self, gap: int) -> tuple[int, int]:
        offset = self.position + gap
        self.offsets.progress(PARTITION).take(offset)
        self.position = offset + 1
        self.unfinished.add(offset)
        return self.epoch, offset

    @rule(gap=st.integers(0, 3))
    def skip(self, gap: int) -> None:
        self.position += gap + 1
        self.offsets.progress(PARTITION).skip(self.position - 1)

    @rule(message=consumes(taken))
    def finish(self, message: tuple[int, int]) -> None:
        epoch, offset = message
        self.offsets.finish(PARTITION, epoch, offset)
        if epoch == self.epoch:
            self.unfinished.discard(offset)

    @rule()
    def commit(self) -> None:
        due = self.offsets.due()
        self.offsets.committed(due)
        self.committed = due.get(PARTITION, self.committed)

    @rule()
    def reassign(self) -> None:
        self.offsets.revoke([PARTITION])
        self.offsets.assign([PARTITION])
        self.epoch = self.offsets.epoch(PARTITION)
        self.position = self.committed
        self.unfinished = set()

    @invariant()
    def nothing_unfinished_is_committed(self) -> None:
        assert all(offset >= self.committed for offset in self.unfinished)
        watermark = self.offsets.progress(PARTITION).watermark
        assert watermark == -1 or watermark == min(self.unfinished, default=self.position)
        assert self.offsets.unfinished == len(self.unfinished)


TestOffsetMachine = OffsetMachine.TestCase
TestOffsetMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
