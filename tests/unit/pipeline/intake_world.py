"""An intake on a scripted source, whose work the test finishes by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from tests.unit.pipeline.scripted_source import ScriptedSource

from automation_consumer.metrics import Metrics
from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.pipeline.commit import Partition
from automation_consumer.pipeline.decode import Poison
from automation_consumer.pipeline.intake import COMMIT_EVERY_S, Intake
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.work import Taken, Tally, Work
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check
from automation_consumer.sources.formats import build_format
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock

CONFIG = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: note, type: log, message: seen}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [note]}
"""


def the_rules(folder: Path) -> Ruleset:
    """What is critical is wanted, nothing else."""
    path = folder / "config.yaml"
    path.write_text(CONFIG)
    return check([path], Registry.installed(), {}).need()


class World:
    """All that is around an intake."""

    def __init__(self, rules: Ruleset, *partitions: Partition, max_in_flight: int = 100, **more: Any) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource(*partitions)
        self.tally = Tally()
        self.registry = CollectorRegistry()
        self.journal = MemoryJournal()
        self.works: list[Work] = []
        self.buried: list[tuple[Taken, Poison]] = []
        self.intake = Intake(
            rules=lambda: rules,
            form=build_format("bigpanda", 100_000),
            journal=self.journal,
            hand_over=self.works.extend,
            bury=lambda taken, poison: self.buried.append((taken, poison)),
            max_in_flight=max_in_flight,
            clock=self.clock,
            metrics=Metrics(self.registry),
            tally=self.tally,
            **more,
        )
        self.intake.attach(self.source)
        self.intake.assigned(list(self.source.assignment))

    def later(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))

    def round(self, *, later_s: float = COMMIT_EVERY_S) -> None:
        self.later(later_s)
        self.intake.round(self.source)

    def finish(self, *incidents: str) -> None:
        for work in self.works:
            if work.incident.id in incidents:
                self.intake.finish(work.taken)

    @property
    def incidents(self) -> list[str]:
        """The ids of what was handed over, in this order."""
        return [work.incident.id for work in self.works]

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def a_run(incident_id: str, offset: int = 0) -> Run:
    """A run of the message at that offset of the first partition."""
    return Run(
        id=f"r-{incident_id}",
        status=RunStatus.WAITING,
        incident_id=incident_id,
        alert_id=None,
        condition="critical",
        phase=Phase.INCIDENT,
        action="note",
        action_type="log",
        subject="s",
        digest="d",
        rule="config.yaml:1",
        config_version="v",
        topic="incidents",
        partition=0,
        offset=offset,
        created_at=0.0,
    )
