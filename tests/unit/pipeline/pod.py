"""One process of the service: the parts as the composition root joins them, on a source and a journal of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from tests.unit.pipeline.scripted_source import ScriptedSource

from automation_consumer.clock import SystemClock
from automation_consumer.config.secrets import SecretStore
from automation_consumer.metrics import Metrics
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.build import build
from automation_consumer.service.recovery import Recovery
from automation_consumer.service.rules import check

CONFIG = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: it, type: %s, text: "{{ host }}"}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [it], rerun: always}
"""


class Pod:
    """One process. `actions` are installed as types; `config` may name them, by default the first one is run."""

    def __init__(
        self, folder, actions, journal, source, *, config=None, once=False, dry_run=False, clock=None
    ) -> None:
        actions = actions if isinstance(actions, list) else [actions]
        path = folder / "config.yaml"
        path.write_text(config or CONFIG % actions[0].type)
        registry = Registry()
        for action in actions:
            registry.add(action)
        self.ruleset = check([path], registry, {}).need()
        settings = self.ruleset.config.settings
        assert settings.kafka is not None
        self.journal, self.source = journal, source
        self.clock = clock or SystemClock()
        self.service = build(
            lambda: self.ruleset,
            SecretStore(settings.secrets, {}),
            settings.kafka,
            journal,
            Metrics(CollectorRegistry()),
            self.clock,
            once=once,
            dry_run=dry_run,
        )
        self.flow = self.service.flow
        self.recovery = Recovery(journal, self.flow, self.clock, 1000)
        self._watch: asyncio.Task[None] | None = None
        self.service.intake.assigned(list(source.assignment))

    async def start(self) -> None:
        """As the service starts: what was left behind first, then Kafka."""
        await self.recovery.at_start()
        self._watch = asyncio.create_task(self.recovery.watch())
        self.flow.start(lambda: self.source)

    async def once(self) -> None:
        await self.start()
        async with asyncio.timeout(20):
            await self.flow.caught_up.wait()
            await self.flow.idle()
            await self.stop()

    async def stop(self) -> bool:
        if self._watch is not None:
            self._watch.cancel()
        clean = await self.flow.stop(5)
        self.service.close()
        return clean

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.005)

    @property
    def runs(self):
        return list(self.journal.runs.values())


def committed(source: ScriptedSource) -> dict:
    """How far the source was told to commit."""
    whole: dict = {}
    for each in (*source.commits, *source.sync_commits):
        whole.update(each)
    return whole
