"""One process's intake on a real consumer, stepped by the test; its work is finished by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from tests.unit.pipeline.intake_world import the_rules

from automation_consumer.clock import SystemClock
from automation_consumer.metrics import Metrics
from automation_consumer.pipeline.commit import Partition
from automation_consumer.pipeline.intake import Intake
from automation_consumer.pipeline.work import Tally, Work
from automation_consumer.sources.formats import build_format
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.sources.kafka.start import StartAt
from automation_consumer.store.memory import MemoryJournal


class Member:
    """A member of a group. `told` has every assignment, revoke and loss, in order."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        topic: str,
        *,
        exclusive: bool = False,
        max_in_flight: int = 1000,
    ) -> None:
        rules = the_rules(folder)
        self.topic = topic
        self.works: list[Work] = []
        self.told: list[tuple[str, list[int]]] = []
        self.failed: list[Partition] = []
        self.landed: dict[Partition, int] = {}
        self.journal = MemoryJournal()
        self.intake = intake = Intake(
            rules=lambda: rules,
            form=build_format("bigpanda", 1_000_000),
            journal=self.journal,
            hand_over=self.works.extend,
            bury=lambda taken, _: intake.finish(taken),
            max_in_flight=max_in_flight,
            clock=SystemClock(),
            metrics=Metrics(CollectorRegistry()),
            tally=Tally(),
            exclusive=exclusive,
        )
        self.source = KafkaSource(
            settings,
            [topic],
            StartAt.parse("earliest"),
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
            on_committed=self._committed,
            on_commit_failed=self._commit_failed,
        )
        self.source.open()
        self.intake.attach(self.source)

    def _assigned(self, partitions: list[Partition]) -> None:
        self._tell("assigned", partitions)
        self.intake.assigned(partitions)

    def _revoked(self, partitions: list[Partition]) -> None:
        self._tell("revoked", partitions)
        self.intake.revoked(partitions)

    def _lost(self, partitions: list[Partition]) -> None:
        self._tell("lost", partitions)
        self.intake.lost(partitions)

    def _committed(self, offsets: dict[Partition, int]) -> None:
        self.landed.update(offsets)
        self.intake.committed(offsets)

    def _commit_failed(self, partitions: list[Partition]) -> None:
        self.failed += partitions
        self.intake.commit_failed(partitions)

    def _tell(self, what: str, partitions: list[Partition]) -> None:
        if partitions:
            self.told.append((what, sorted(number for _, number in partitions)))

    # --- what the test does ------------------------------------------------------------------------------------------

    def step(self) -> None:
        self.intake.round(self.source)

    def finish(self, places: Iterable[tuple[int, int]]) -> None:
        """Finish the messages at these (partition, offset)."""
        wanted = set(places)
        for work in self.works:
            message = work.taken.message
            if (message.partition, message.offset) in wanted:
                self.intake.finish(work.taken)

    def finish_all(self) -> None:
        for work in self.works[-1000:]:
            self.intake.finish(work.taken)

    @property
    def mine(self) -> set[int]:
        """The numbers of its partitions."""
        return {number for _, number in self.source.assignment}

    @property
    def took(self) -> list[tuple[int, int]]:
        """(partition, offset) of what it took, in order."""
        return [(work.taken.message.partition, work.taken.message.offset) for work in self.works]

    def close(self) -> None:
        self.intake.finish_up(self.source)
