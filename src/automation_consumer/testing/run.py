"""One action through the real engine, without Kafka and without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from automation_consumer.clock import Clock
from automation_consumer.conditions.condition_set import ConditionSet
from automation_consumer.config.masking import Masker
from automation_consumer.config.settings import (
    ActionSpec,
    CommonOptions,
    Condition,
    ConditionSpec,
    Config,
    Place,
    TopLevel,
)
from automation_consumer.errors import SecretError
from automation_consumer.metrics import Metrics
from automation_consumer.model.incident import Alert, Incident
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase, Run, RunChange
from automation_consumer.pipeline.dispatch import Dispatcher
from automation_consumer.pipeline.engine import Engine
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.locks import Locks
from automation_consumer.pipeline.pauses import Pauses
from automation_consumer.pipeline.plan import History, Plan
from automation_consumer.pipeline.record import Recorder
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.runner import Result, Runner
from automation_consumer.pipeline.work import Tally
from automation_consumer.plugin.action import Action
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.clients import SharedClients
from automation_consumer.store.journal import Journal
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing.clock import FakeClock
from automation_consumer.testing.incidents import an_incident


@dataclass(frozen=True)
class Ran:
    """What came of it: the result, the run as the journal has it, and each of its state changes."""

    result: Result
    run: Run
    changes: list[RunChange]


class Bench:
    """An engine on a workbench. Use `run_action` unless a test needs several runs of one engine."""

    def __init__(
        self,
        actions: Mapping[str, tuple[Action[Any], Mapping[str, Any]]],
        *,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
        condition: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        slots: int = 16,
    ) -> None:
        self.clock = clock or FakeClock(auto=True)
        self.journal = journal or MemoryJournal()
        self.metrics = Metrics(CollectorRegistry())
        self.clients = SharedClients()
        masker = Masker()

        def secret(name: str) -> str:
            if name not in (secrets or {}):
                raise SecretError(f"no secret {name!r}", hint="give it in `secrets`")
            value = (secrets or {})[name]
            masker.add(value)
            return value

        pauses = Pauses(self.clock)
        self.engine = Engine(
            clock=self.clock,
            recorder=Recorder(self.journal, self.clock, masker.mask),
            dispatcher=Dispatcher(slots, 4),
            gate=Gate(),
            locks=Locks(self.journal, pauses),
            pauses=pauses,
            clients=self.clients,
            secret=secret,
            metrics=self.metrics,
            tally=Tally(),
            journal=self.journal,
            dry_run=dry_run,
        )
        self.runner = Runner(self.engine)
        self.ruleset = _ruleset(actions, connections or {}, condition or {})

    def plan(
        self,
        action: str,
        incident: Incident | None = None,
        *,
        alert: Alert | None = None,
        phase: Phase = Phase.ALERT,
        offset: int = 0,
        history: Sequence[Run] = (),
    ) -> Plan:
        """What the engine would be asked to run for a message at `offset`."""
        incident = incident or an_incident()
        return Plan(
            message=Message("incidents", 0, offset, b""),
            ruleset=self.ruleset,
            incident=incident,
            alert=alert,
            alerts=incident.alerts,
            condition="test",
            phase=phase,
            prepared=self.ruleset.action(action),
            position="0",
            history=History(history),
            dry_run=self.engine.dry_run,
        )

    def close(self) -> None:
        """End threads and clients."""
        self.engine.dispatcher.close(wait=True)
        self.clients.close()
        self.journal.close()


def _ruleset(
    actions: Mapping[str, tuple[Action[Any], Mapping[str, Any]]],
    connections: Mapping[str, Mapping[str, Any]],
    condition: Mapping[str, Any],
) -> Ruleset:
    registry = Registry()
    specs: dict[str, ActionSpec] = {}
    for name, (action, fields) in actions.items():
        if action.type not in registry:
            registry.add(action)
        common = {key: value for key, value in fields.items() if key in CommonOptions.model_fields}
        own = {key: value for key, value in fields.items() if key not in CommonOptions.model_fields}
        options = CommonOptions.model_validate({**common, "name": name, "type": action.type})
        specs[name] = ActionSpec(options, own, Place("test.yaml"))
    rule = ConditionSpec(Condition.model_validate({"name": "test", **condition}), Place("test.yaml", 1, 1))
    settings = TopLevel.model_validate(
        {"version": 1, "connections": {name: dict(each) for name, each in connections.items()}}
    )
    return Ruleset(Config("test", settings, specs, (rule,), ("test.yaml",)), ConditionSet(()), registry)


async def run_action(
    action: Action[Any],
    fields: Mapping[str, Any],
    *,
    incident: Incident | None = None,
    alert: Alert | None = None,
    connections: Mapping[str, Mapping[str, Any]] | None = None,
    secrets: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    dry_run: bool = False,
) -> Ran:
    """Run the action once, with `fields` as they would stand in the YAML (own and common ones).

    Waiting costs no time: the clock moves by itself unless one is given. TemplateError and the like end the run as
    they would in the service; read `run.reason`.
    """
    journal = MemoryJournal()
    bench = Bench(
        {action.type: (action, fields)},
        connections=connections,
        secrets=secrets,
        clock=clock,
        journal=journal,
        dry_run=dry_run,
    )
    try:
        result = await bench.runner.run(bench.plan(action.type, incident, alert=alert))
    finally:
        bench.close()
    return Ran(result, journal.runs[result.run_id], journal.changes[result.run_id])
