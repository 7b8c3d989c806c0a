"""The service: put together, run until it is told to stop, taken apart in reverse."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from automation_consumer import __version__
from automation_consumer.clock import Clock, SystemClock
from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Kafka
from automation_consumer.errors import AutomationError, UsageError
from automation_consumer.logs import get_logger
from automation_consumer.metrics import Metrics
from automation_consumer.pipeline.ruleset import Ruleset, resolve
from automation_consumer.pipeline.work import Tally
from automation_consumer.service.build import Service, build
from automation_consumer.service.health import health
from automation_consumer.service.recovery import Recovery
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from automation_consumer.sources.kafka.topics import check_topics
from automation_consumer.store.journal import sqlite_path
from automation_consumer.store.sqlite import SqliteJournal
from automation_consumer.web.server import WebServer

_log = get_logger(__name__)


@dataclass(frozen=True)
class Options:
    """How the service is to run; what the command line adds to the configuration."""

    embedded: bool = False
    once: bool = False
    dry_run: bool = False
    drain_timeout_s: float | None = None
    announce: Callable[[str], None] = lambda line: None
    """Tells a person at the terminal an address; must not block."""


async def serve(
    ruleset: Ruleset,
    secrets: SecretStore,
    options: Options,
    clock: Clock | None = None,
    *,
    stop: asyncio.Event | None = None,
    tally: Tally | None = None,
) -> Tally:
    """Run until SIGTERM or SIGINT, or with `once` until all is handled. AutomationError when it cannot go on.

    `stop` ends it as SIGTERM does, when it is set. `tally` is counted up from the start, for a caller who watches.
    """
    clock = clock or SystemClock()
    stop = stop or asyncio.Event()
    settings = ruleset.config.settings
    if settings.kafka is None:
        raise UsageError("the configuration has no `kafka:` section", hint="it says which topics to read")
    registry = CollectorRegistry()
    metrics = Metrics(registry, version=__version__)
    with ExitStack() as stack:  # what starts first ends last
        kafka = _kafka(settings.kafka, options, stack)
        ruleset = ruleset.with_kafka(kafka)
        if options.once:  # a service waits for its broker; one that is to end must not wait for ever
            check_topics(resolve(kafka.client_settings(), secrets.get), kafka.topics, clock=clock)
        journal = SqliteJournal(sqlite_path(settings.store), clock, _commit_metrics(metrics))
        stack.callback(journal.close)
        service = build(
            ruleset,
            secrets,
            kafka,
            journal,
            metrics,
            clock,
            once=options.once,
            dry_run=options.dry_run,
            tally=tally,
        )
        stack.callback(service.close)
        if not options.once:
            web = WebServer(
                settings.service.host,
                settings.service.port,
                registry,
                lambda: health(service.intake, service.flow, ruleset.config.version, clock),
            )
            options.announce(f"metrics and health: {web.start()}")
            stack.callback(web.stop)
        await _run(service, ruleset, journal, options, stop)
        return service.tally


async def _run(
    service: Service, ruleset: Ruleset, journal: SqliteJournal, options: Options, stop: asyncio.Event
) -> None:
    flow = service.flow
    recovery = Recovery(service.engine, service.runner, ruleset)
    resumed = 0 if options.dry_run else recovery.start(await journal.open_runs())
    flow.start(service.connect)
    gc.collect()
    gc.freeze()  # the configuration stays for good: no collection needs to look at it again
    _log.info(
        "started with config %s: %d conditions, %d jobs taken up again",
        ruleset.config.version,
        len(ruleset.conditions),
        resumed,
        event="service.started",
    )
    with _signals(stop):
        await _first(stop.wait(), flow.caught_up.wait(), asyncio.shield(flow.failed))
        if flow.caught_up.is_set():
            await recovery.idle()
        limit_s = options.drain_timeout_s
        clean = await flow.stop(ruleset.config.settings.service.drain_timeout if limit_s is None else limit_s)
        await recovery.stop()
    service.tally.cut_off = not clean
    _log.info("stopped%s", "" if clean else ", some actions were cut off", event="service.stopped")
    if flow.failed.done():
        error = flow.failed.result()
        raise (
            error if isinstance(error, AutomationError) else AutomationError(f"the service failed: {error!r}")
        )


async def _first(*waits: Any) -> None:
    """Wait for the first of these."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _signals(stop: asyncio.Event) -> ExitStack:
    """The first SIGTERM or SIGINT stops; a second one ends the process at once, which is as safe as kill -9."""
    loop = asyncio.get_running_loop()

    def caught() -> None:
        if stop.is_set():
            os._exit(130)
        _log.info("stopping; once more ends it at once", event="service.stopping")
        stop.set()

    stack = ExitStack()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, caught)
        stack.callback(loop.remove_signal_handler, number)
    return stack


def _kafka(kafka: Kafka, options: Options, stack: ExitStack) -> Kafka:
    """The Kafka section as it is used: with the embedded broker's address, and apart from the real group in a dry run."""
    changes: dict[str, Any] = {}
    if options.embedded:
        topics = [*kafka.topics, *filter(None, (kafka.dead_letter_topic, kafka.outcome_topic))]
        broker = stack.enter_context(EmbeddedBroker(dict.fromkeys(topics, 4)))
        options.announce(f"embedded broker: {broker.address}")
        changes.update(broker.client_settings)
    if options.dry_run:
        changes["group.id"] = f"{kafka.group_id}.dry-run"  # the real group's place must not move
    if not changes:
        return kafka
    return Kafka.model_validate({**kafka.model_dump(by_alias=True), **changes})


def _commit_metrics(metrics: Metrics) -> Callable[[int, float], None]:
    def committed(operations: int, seconds: float) -> None:
        metrics.journal_commit_seconds.observe(seconds)
        metrics.journal_batch_size.observe(operations)

    return committed


def summary(tally: Tally) -> Mapping[str, Any]:
    """What `--once -o json` ends with."""
    return {
        "incidents": tally.incidents,
        "matched": tally.matched,
        "conditions": {str(result): count for result, count in tally.conditions.items()},
        "runs": {str(status): count for status, count in tally.runs.items()},
        "dead_letters": tally.dead_letters,
        "handling_s": round(tally.handling_s, 6),
    }
