"""The composition root: the only place where the parts of the service are made and joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automation_consumer.clock import Clock
from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Kafka
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.metrics import Metrics
from automation_consumer.model.switch import Request, Scope, Switch
from automation_consumer.pipeline.announce import Announcer
from automation_consumer.pipeline.burial import WHOLE, Burial
from automation_consumer.pipeline.decode import Poison
from automation_consumer.pipeline.dispatch import Dispatcher
from automation_consumer.pipeline.engine import Engine
from automation_consumer.pipeline.flow import Flow
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.intake import Intake
from automation_consumer.pipeline.locks import Locks
from automation_consumer.pipeline.pauses import Pauses
from automation_consumer.pipeline.poison_guard import PoisonGuard, PoisonLimits
from automation_consumer.pipeline.record import Recorder
from automation_consumer.pipeline.ruleset import Ruleset, resolve
from automation_consumer.pipeline.runner import Runner
from automation_consumer.pipeline.source import Source
from automation_consumer.pipeline.work import Taken, Tally, Work
from automation_consumer.service.clients import SharedClients
from automation_consumer.service.requests import Requests
from automation_consumer.service.switchboard import Switchboard
from automation_consumer.sources.formats import build_format
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.sources.kafka.start import StartAt
from automation_consumer.store.journal import Journal


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    engine: Engine
    runner: Runner
    intake: Intake
    flow: Flow
    tally: Tally
    connect: Callable[[], Source]
    clients: SharedClients
    producer: KafkaProducer | None
    announcer: Announcer
    switchboard: Switchboard

    def close(self) -> None:
        """After the flow has stopped: threads, clients, the producer. Blocks until they have ended."""
        self.engine.dispatcher.close(wait=False)
        self.clients.close()
        if self.producer is not None:
            self.producer.close()


def build(
    rules: Callable[[], Ruleset],
    secrets: SecretStore,
    kafka: Kafka,
    journal: Journal,
    metrics: Metrics,
    clock: Clock,
    *,
    once: bool = False,
    dry_run: bool = False,
    tally: Tally | None = None,
) -> Service:
    """Join the parts; nothing is started. On the event loop. ConfigError when Kafka's settings are wrong.

    `rules` gives the ruleset in use; what cannot change while the process runs is taken from it now.
    """
    limits = rules().config.settings.limits
    loop = asyncio.get_running_loop()
    tally = tally or Tally()
    pauses = Pauses(clock)
    clients = SharedClients()
    client_settings = resolve(kafka.client_settings(), secrets.get)
    producer = None
    if (kafka.dead_letter_topic or kafka.outcome_topic) and not dry_run:
        producer = KafkaProducer({**client_settings, "message.max.bytes": WHOLE})
    announcer = Announcer(kafka.outcome_topic, producer, journal, clock, metrics, secrets.masker.mask)

    # Parts that know each other in a circle do so by these calls only.
    async def fulfil(request: Request) -> str:
        return await Requests(flow, runner, journal).fulfil(request)

    def on_intake(switch: Switch | None) -> None:
        intake.hold("paused", switch is not None)
        if switch is None:
            intake.release_poison()

    switchboard = Switchboard(
        journal, clock, metrics, on_request=fulfil, on_intake=on_intake, mask=secrets.masker.mask
    )
    engine = Engine(
        clock=clock,
        recorder=Recorder(journal, clock, secrets.masker.mask, announcer.ended),
        dispatcher=Dispatcher(limits.max_concurrent_runs, limits.worker_threads),
        gate=Gate(switchboard.covering, journal.started_since),
        locks=Locks(journal, pauses),
        pauses=pauses,
        clients=clients,
        secret=secrets.get,
        metrics=metrics,
        tally=tally,
        journal=journal,
        dry_run=dry_run,
    )
    form = build_format(kafka.format, kafka.max_message_bytes)

    def hand_over(works: list[Work]) -> None:
        flow.hand_over(works)

    def bury(taken: Taken, poison: Poison) -> None:
        burial.bury(taken, poison)

    def tripped(why: str) -> None:
        now = clock.now()
        switch = Switch(f"poison-{journal.process}-{now:.0f}", Scope.INTAKE, "", "the service", why, now)
        asyncio.run_coroutine_threadsafe(journal.pause(switch), loop)

    def later(seconds: float, call: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(loop.call_later, seconds, call)

    intake = Intake(
        rules=rules,
        form=form,
        journal=journal,
        hand_over=hand_over,
        bury=bury,
        max_in_flight=limits.max_in_flight_incidents,
        clock=clock,
        metrics=metrics,
        tally=tally,
        exclusive=not (journal.shared or dry_run),
        guard=PoisonGuard(PoisonLimits(limits.poison_run_length, limits.poison_ratio, limits.poison_window)),
        on_tripped=tripped,
    )
    runner = Runner(engine)
    flow = Flow(
        intake=intake,
        bury=bury,
        runner=runner,
        journal=journal,
        pauses=pauses,
        metrics=metrics,
        tally=tally,
        rules=rules,
        form=form,
        clock=clock,
        told=announcer.condition,
        max_parked=limits.max_parked_incidents,
        dry_run=dry_run,
        once=once,
    )
    burial = Burial(
        topic=kafka.dead_letter_topic,
        producer=producer,
        finish=flow.finished,
        later=later,
        given_up=lambda error: _call(loop, flow.fail, error),
        clock=clock,
        metrics=metrics,
        group=kafka.group_id,
        config_version=lambda: rules().config.version,
        mask=secrets.masker.mask,
        told=announcer.poison,
    )
    source = KafkaSource(
        client_settings,
        kafka.topics,
        StartAt.parse(kafka.start_at),
        on_assign=intake.assigned,
        on_revoke=intake.revoked,
        on_lost=intake.lost,
        on_committed=intake.committed,
        on_commit_failed=intake.commit_failed,
        report_ends=once,
    )

    def connect() -> Source:
        source.open()
        return source

    return Service(engine, runner, intake, flow, tally, connect, clients, producer, announcer, switchboard)


def _call(loop: asyncio.AbstractEventLoop, method: Callable[..., Any], *args: Any) -> None:
    loop.call_soon_threadsafe(method, *args)
