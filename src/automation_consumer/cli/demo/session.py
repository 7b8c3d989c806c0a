"""One play of the demo: broker, journal and stand-ins come up, messages are sent while the service handles them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TextIO

from automation_consumer.cli.demo.report import Report, report
from automation_consumer.cli.demo.scenario import FAILING_HOST, Sample, expected_conditions, samples
from automation_consumer.cli.demo.targets import Targets
from automation_consumer.clock import Clock
from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Kafka
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.logs import setup
from automation_consumer.model.run import Run
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.work import Tally
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check
from automation_consumer.service.run import Options, serve
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.sqlite import SqliteReader

CONFIG: Final = Path(__file__).with_name("config.yaml")
TOPICS: Final = {"incidents": 4, "incidents.dlq": 1}
SENDING_S: Final = 8.0
REFRESH_S: Final = 0.25
TIME_LIMIT_S: Final = 60.0  # about 12 s are enough; a machine that is very busy may take longer
ALL_RUNS: Final = RunFilter(limit=10_000)


@dataclass(frozen=True)
class Progress:
    """How far the demo is. `runs`: the journal, newest first."""

    seconds: float
    messages: int
    tally: Tally
    runs: Sequence[Run]


@dataclass
class Play:
    """What one play shares between the service, the sender and the one who watches."""

    clock: Clock
    journal: Path
    samples: Sequence[Sample]
    sent: int = 0
    tally: Tally = field(default_factory=Tally)
    up: asyncio.Event = field(default_factory=asyncio.Event)  # the journal is there
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def complete(self) -> bool:
        """Whether everything was read and handled."""
        read = self.tally.incidents + self.tally.dead_letters
        handled = sum(self.tally.conditions.values())
        return read >= len(self.samples) and handled >= expected_conditions(self.samples).total()

    async def runs(self) -> list[Run]:
        """What the journal has, newest first: what the command `runs` would show."""
        return await asyncio.to_thread(_read, self.journal) if self.up.is_set() else []


async def play(clock: Clock, watch: Callable[[Progress], None], log: TextIO) -> Report:
    """Play it. `watch` is called a few times a second; the service's log goes to `log`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="automation-demo-")))
        targets = stack.enter_context(Targets(clock, {FAILING_HOST}))
        broker = stack.enter_context(EmbeddedBroker(TOPICS))
        this = Play(clock, folder / "journal.db", samples(clock.now()))
        environ = surroundings(broker.address, targets.url, this.journal)
        ruleset = demo_ruleset(environ, broker.client_settings)
        secrets = SecretStore(ruleset.config.settings.secrets, environ)
        setup("console", "info", secrets.masker.mask, log)
        producer = KafkaProducer({"bootstrap.servers": broker.address})
        stack.callback(producer.close)
        interrupted = await _serve_and_watch(this, ruleset, secrets, producer, watch)
        return report(
            this.samples, this.sent, this.tally, await this.runs(), targets, interrupted=interrupted
        )


def surroundings(bootstrap: str, targets: str, journal: Path) -> dict[str, str]:
    """The variables and secrets of the demo's config; those of the process play no part."""
    return {
        "KAFKA_BOOTSTRAP": bootstrap,
        "TARGETS": targets,
        "STORE": f"sqlite:///{journal}",
        "AUTOMATION_SECRET_SD_TOKEN": "demo-screwdriver-token",
        "AUTOMATION_SECRET_CERTIFICATE_TOKEN": "demo-certificate-token",
        "AUTOMATION_SECRET_SLACK_WEBHOOK": f"{targets}/slack/demo",
    }


def demo_ruleset(environ: Mapping[str, str], client_settings: Mapping[str, object]) -> Ruleset:
    """The demo's config, checked as every config is, for a broker that wants these client settings."""
    ruleset = check([CONFIG], Registry.installed(), environ, strict=True).need()
    kafka = ruleset.config.settings.kafka
    assert kafka is not None
    return ruleset.with_kafka(Kafka.model_validate({**kafka.model_dump(by_alias=True), **client_settings}))


async def _serve_and_watch(
    this: Play,
    ruleset: Ruleset,
    secrets: SecretStore,
    producer: KafkaProducer,
    watch: Callable[[Progress], None],
) -> bool:
    """Run the service until all is handled; whether a signal ended it before."""
    clock, began = this.clock, this.clock.monotonic()
    options = Options(announce=lambda line: this.up.set())
    service = asyncio.create_task(
        serve(ruleset, secrets, options, clock, stop=this.stop, tally=this.tally), name="service"
    )
    sender = asyncio.create_task(_send(this, producer), name="sender")
    try:
        while not service.done() and not this.complete and clock.monotonic() - began < TIME_LIMIT_S:
            if sender.done():
                sender.result()
            watch(Progress(clock.monotonic() - began, len(this.samples), this.tally, await this.runs()))
            await clock.sleep(REFRESH_S)
        return this.stop.is_set()
    finally:
        sender.cancel()
        this.stop.set()
        await service
        watch(Progress(clock.monotonic() - began, len(this.samples), this.tally, await this.runs()))


async def _send(this: Play, producer: KafkaProducer) -> None:
    """The messages, evenly over `SENDING_S`."""
    await this.up.wait()
    for sample in this.samples:
        await asyncio.to_thread(producer.send, "incidents", sample.value, sample.key)
        this.sent += 1
        await this.clock.sleep(SENDING_S / len(this.samples))


def _read(journal: Path) -> list[Run]:
    reader = SqliteReader(str(journal))
    try:
        return reader.runs(ALL_RUNS)
    finally:
        reader.close()
