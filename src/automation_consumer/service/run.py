"""The service: put together, run until it is told to stop, taken apart in reverse."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry

from automation_consumer import __version__
from automation_consumer.clock import Clock, SystemClock
from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Kafka
from automation_consumer.errors import AutomationError, UsageError
from automation_consumer.logs import get_logger, setup
from automation_consumer.metrics import Metrics
from automation_consumer.pipeline.flow import LEAVE_S, Flow
from automation_consumer.pipeline.ruleset import Ruleset, resolve
from automation_consumer.pipeline.work import Tally
from automation_consumer.service.build import Service, build
from automation_consumer.service.config_files import ConfigFiles
from automation_consumer.service.health import HealthReport
from automation_consumer.service.leftovers import CLOSE_S, Leftovers
from automation_consumer.service.recovery import Recovery
from automation_consumer.service.reload import CurrentRules, Reloader, note_use
from automation_consumer.service.retention import prune_daily
from automation_consumer.service.rules import check
from automation_consumer.service.signals import Signals
from automation_consumer.service.watchdog import Watchdog
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from automation_consumer.sources.kafka.topics import check_topics
from automation_consumer.store.journal import Journal
from automation_consumer.store.open import open_journal
from automation_consumer.web.server import WebServer

_log = get_logger(__name__)

T = TypeVar("T")

LAST_OUTCOMES_S: Final = 5.0  # for the events of what ended last; what is left is sent after the next start
AFTER_DRAIN_S: Final = LEAVE_S + LAST_OUTCOMES_S + 2 * CLOSE_S
SESSION_TIMEOUT_MS: Final = 45_000  # librdkafka's default


@dataclass(frozen=True)
class Options:
    """How the service is to run; what the command line adds to the configuration."""

    embedded: bool = False
    once: bool = False
    dry_run: bool = False
    drain_timeout_s: float | None = None
    announce: Callable[[str], None] = lambda line: None
    """Tells a person at the terminal an address; must not block."""
    files: ConfigFiles | None = None
    """Where the configuration came from, if it is to be read again when it changes."""


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
    tally = tally or Tally()
    settings = ruleset.config.settings
    if settings.kafka is None:
        raise UsageError("the configuration has no `kafka:` section", hint="it says which topics to read")
    registry = CollectorRegistry()
    metrics = Metrics(registry, version=__version__)
    rules = CurrentRules(ruleset)
    note_use(ruleset, metrics, clock)
    left = Leftovers()
    with ExitStack() as stack:  # what starts first ends last
        stack.callback(left.tell, tally)
        reloader = _reloader(options, rules, secrets, metrics, clock)
        signals = stack.enter_context(_signals(stop, reloader, rules, options, clock))
        kafka = _kafka(settings.kafka, options, stack)
        rules.current = ruleset.with_kafka(kafka)
        if options.once:  # a service waits for its broker; one that is to end must not wait for ever
            check_topics(resolve(kafka.client_settings(), secrets.get), kafka.topics, clock=clock)
        url = resolve({"url": settings.store}, secrets.get)["url"]
        journal = _journal(url, kafka, clock, metrics, dry_run=options.dry_run)
        stack.callback(left.close_journal, journal)
        service = build(
            rules.get,
            secrets,
            kafka,
            journal,
            metrics,
            clock,
            once=options.once,
            dry_run=options.dry_run,
            tally=tally,
        )
        stack.callback(left.close_service, service)
        watchdog = _watchdog(service, rules, kafka, metrics, clock)
        if not options.once:
            report = HealthReport(service, journal, rules, watchdog, clock, reloader)
            web = WebServer(settings.service.host, settings.service.port, registry, report)
            options.announce(f"metrics and health: {web.start()}")
            stack.callback(web.stop)
        await _run(Parts(service, rules, journal, watchdog, reloader, signals, clock), options, stop, left)
    return tally


@dataclass(frozen=True)
class Parts:
    """What one run of the service works with."""

    service: Service
    rules: CurrentRules
    journal: Journal
    watchdog: Watchdog
    reloader: Reloader | None
    signals: Signals
    clock: Clock


async def _run(parts: Parts, options: Options, stop: asyncio.Event, left: Leftovers) -> None:
    flow = parts.service.flow
    async with AsyncExitStack() as stack:
        await _start(parts, options, stop, stack)
        await _first(stop.wait(), flow.caught_up.wait(), asyncio.shield(flow.failed))
        if (
            flow.caught_up.is_set()
        ):  # what came from the journal, or waits long for a retry, is no message of Kafka
            await _first(stop.wait(), flow.idle(), asyncio.shield(flow.failed))
        parts.signals.stop_begun()
        parts.signals.step = "waiting for the actions that run"
        left.acting = not await flow.stop(_drain_s(parts.rules, options))
        parts.signals.step = "sending the last outcomes"
        await parts.service.announcer.stop(LAST_OUTCOMES_S)
        parts.signals.step = "closing its clients, the producer and the journal"
    _log.info("stopped%s", ", some actions were cut off" if left.acting else "", event="service.stopped")
    if flow.failed.done():
        error = flow.failed.result()
        raise (
            error if isinstance(error, AutomationError) else AutomationError(f"the service failed: {error!r}")
        )


async def _start(parts: Parts, options: Options, stop: asyncio.Event, stack: AsyncExitStack) -> None:
    flow, ruleset = parts.service.flow, parts.rules.current
    limits = ruleset.config.settings.limits
    in_hand = limits.max_in_flight_incidents + limits.max_parked_incidents
    parts.service.announcer.start(flow.fail)
    recovery = Recovery(parts.journal, flow, parts.clock, in_hand)
    resumed = 0
    if not options.dry_run:
        stack.push_async_callback(parts.service.switchboard.stop)
        await _unless(stop, parts.service.switchboard.start())  # first: nothing may act that is paused
        resumed = await _unless(stop, recovery.at_start()) or 0
    flow.start(parts.service.connect)
    parts.watchdog.start()
    stack.callback(parts.watchdog.stop)
    if parts.reloader is not None:
        parts.reloader.start()
        stack.callback(parts.reloader.stop)
    if not options.dry_run:
        _beside(flow, recovery.watch(), stack)
        if not options.once:
            _beside(flow, prune_daily(parts.journal, parts.clock, parts.rules.retention_s), stack)
    gc.collect()
    gc.freeze()  # the configuration stays for long: no collection needs to look at it again
    _log.info(
        "started with config %s: %d conditions, %d messages of an earlier process taken up again",
        ruleset.config.version,
        len(ruleset.conditions),
        resumed,
        event="service.started",
    )


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives; None when `stop` is set before, as while a database is away."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if working.done():
        return working.result()
    working.cancel()
    return None


def _beside(flow: Flow, work: Coroutine[Any, Any, None], stack: AsyncExitStack) -> None:
    """Run it until the stack is left; if it fails, the service does."""

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            flow.fail(error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    stack.callback(task.cancel)


async def _first(*waits: Any) -> None:
    """Wait for the first of these."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _drain_s(rules: CurrentRules, options: Options) -> float:
    configured = rules.current.config.settings.service.drain_timeout
    return configured if options.drain_timeout_s is None else options.drain_timeout_s


def _signals(
    stop: asyncio.Event, reloader: Reloader | None, rules: CurrentRules, options: Options, clock: Clock
) -> Signals:
    loop = asyncio.get_running_loop()

    def told() -> None:
        _log.info("stopping; once more ends it at once", event="service.stopping")
        stop.set()

    return Signals(
        lambda: loop.call_soon_threadsafe(told),
        None if reloader is None else reloader.request,
        lambda: _drain_s(rules, options) + AFTER_DRAIN_S,
        clock,
    )


def _reloader(
    options: Options, rules: CurrentRules, secrets: SecretStore, metrics: Metrics, clock: Clock
) -> Reloader | None:
    files = options.files
    if files is None or options.once:
        return None
    registry = rules.current.registry

    def adopted(before: Ruleset, after: Ruleset) -> None:
        was, now = before.config.settings.service, after.config.settings.service
        if (was.log_format, was.log_level) != (now.log_format, now.log_level):
            setup(now.log_format, now.log_level, secrets.masker.mask)

    return Reloader(
        files,
        rules,
        lambda: check(files.paths, registry, os.environ),
        secrets,
        metrics,
        clock,
        adopted=adopted,
        mode=rules.current.config.settings.service.reload,
    )


def _watchdog(
    service: Service, rules: CurrentRules, kafka: Kafka, metrics: Metrics, clock: Clock
) -> Watchdog:
    session_timeout_ms = kafka.client_settings().get("session.timeout.ms", SESSION_TIMEOUT_MS)
    return Watchdog(
        stall_after=rules.stall_after_s,
        poll_seen=lambda: None if service.flow.stopping else service.intake.last_round_at,
        poll_patience_s=float(session_timeout_ms) / 1000,
        metrics=metrics,
        clock=clock,
    )


def _journal(url: str, kafka: Kafka, clock: Clock, metrics: Metrics, *, dry_run: bool) -> Journal:
    return open_journal(
        url,
        clock,
        name=f"{socket.gethostname()}:{os.getpid()}",
        announces=kafka.outcome_topic is not None and not dry_run,  # a dry run sends nothing
        on_commit=_commit_metrics(metrics),
    )


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
