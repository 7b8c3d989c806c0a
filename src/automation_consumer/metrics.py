"""Every metric of the process, in one place. Labels are bounded sets only: never an incident, run, host or offset."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

RUN_BUCKETS_S: Final = (0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600)
LATE_BUCKETS_S: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
COMMIT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
BATCH_BUCKETS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500)


class MessageResult(StrEnum):
    """What became of a message: the label `result` of `automation_messages_total`."""

    MATCHED = "matched"  # a condition took the incident
    UNMATCHED = "unmatched"  # an incident that no condition wanted
    POISON = "poison"  # can never become an incident
    REMEMBERED = "remembered"  # came again after a restart or a rebalance, and had been finished before


class ReloadResult(StrEnum):
    """What became of a reload: the label `result` of `automation_config_reloads_total`."""

    OK = "ok"  # the new configuration is in use
    REFUSED = "refused"  # the last good one is kept


class Stalled(StrEnum):
    """What stood still: the label `what` of `automation_stalls_total`."""

    LOOP = "loop"  # the event loop, which handles what matched
    POLL = "poll"  # the thread that polls Kafka


class Metrics:
    """The metrics, as typed members. One per process and registry; tests give each its own registry.

    On the hot path keep the child (`metrics.messages.labels("matched")`) and call `.inc(n)` once per batch.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str = "") -> None:
        # A second series per counter, which no one asks for. The switch is the library's, for the whole process.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        ProcessCollector(registry=registry)
        self.build = Info("automation_build", "The version that runs.", registry=registry)
        self.build.info({"version": version})
        self._road(registry)
        self._runs(registry)
        self._journal(registry)
        self._kafka(registry)
        self._process(registry)

    def _road(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "automation_messages_total",
            "Kafka messages handled, by result: matched, unmatched, poison, remembered.",
            ["result"],
            registry=registry,
        )
        for result in MessageResult:
            self.messages.labels(result.value)
        self.dead_letters = Counter(
            "automation_dead_letters_total",
            "Messages sent to the dead-letter topic, by reason code.",
            ["reason"],
            registry=registry,
        )
        self.incidents_in_flight = Gauge(
            "automation_incidents_in_flight",
            "Incidents taken from Kafka whose runs have not all ended.",
            registry=registry,
        )

    def _runs(self, registry: CollectorRegistry) -> None:
        self.runs = Counter(
            "automation_runs_total",
            "Runs ended, by action type and final status.",
            ["action_type", "status"],
            registry=registry,
        )
        self.run_seconds = Histogram(
            "automation_run_seconds",
            "From a run's first journal entry to its end, by action type.",
            ["action_type"],
            buckets=RUN_BUCKETS_S,
            registry=registry,
        )
        self.retries = Counter(
            "automation_retries_total",
            "Further tries after a failure that may pass.",
            ["action_type"],
            registry=registry,
        )
        self.gate_denied = Counter(
            "automation_gate_denied_total", "Runs that a safety check denied.", ["check"], registry=registry
        )
        self.pauses = Gauge(
            "automation_pauses", "Pauses in force: what operators have told it not to do.", registry=registry
        )
        self.slots_in_use = Gauge(
            "automation_slots_in_use", "Runs that act at this moment and hold a slot.", registry=registry
        )
        self.poll_late_seconds = Histogram(
            "automation_poll_late_seconds",
            "How late a remote job was polled.",
            buckets=LATE_BUCKETS_S,
            registry=registry,
        )

    def _journal(self, registry: CollectorRegistry) -> None:
        self.journal_commit_seconds = Histogram(
            "automation_journal_commit_seconds",
            "One transaction of the journal, from its begin to its commit.",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.journal_batch_size = Histogram(
            "automation_journal_batch_size",
            "Writes that shared one transaction of the journal.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )

    def _kafka(self, registry: CollectorRegistry) -> None:
        self.partitions_assigned = Gauge(
            "automation_partitions_assigned", "Partitions that this process reads.", registry=registry
        )
        self.partitions_paused = Gauge(
            "automation_partitions_paused",
            "Partitions paused: too much of theirs is in flight, or nothing is taken at all.",
            registry=registry,
        )
        self.kafka_lag = Gauge(
            "automation_kafka_lag",
            "Messages from the committed offset to the partition's end as of the last fetch: what Kafka sees.",
            ["topic", "partition"],
            registry=registry,
        )
        self.unfinished = Gauge(
            "automation_unfinished",
            "Messages to the partition's end as of the last fetch that are not taken yet, and those not finished.",
            ["topic", "partition"],
            registry=registry,
        )
        self.intake_held = Gauge(
            "automation_intake_held",
            "Reasons for which no message is taken at this moment (0: messages are taken); health names them.",
            registry=registry,
        )
        self.commit_failures = Counter(
            "automation_commit_failures_total", "Offset commits that the broker refused.", registry=registry
        )
        self.outcome_events = Counter(
            "automation_outcome_events_total", "Events delivered to the outcome topic.", registry=registry
        )
        self.outcome_failures = Counter(
            "automation_outcome_failures_total",
            "Deliveries to the outcome topic that failed; each is tried again.",
            registry=registry,
        )

    def _process(self, registry: CollectorRegistry) -> None:
        self.config_reloads = Counter(
            "automation_config_reloads_total",
            "Times the configuration was read again, by result: ok, refused.",
            ["result"],
            registry=registry,
        )
        for result in ReloadResult:
            self.config_reloads.labels(result.value)
        self.config = Info("automation_config", "The version of the configuration in use.", registry=registry)
        self.config_loaded_at = Gauge(
            "automation_config_loaded_timestamp_seconds",
            "When the configuration in use was read, in seconds since the epoch.",
            registry=registry,
        )
        self.stalls = Counter(
            "automation_stalls_total",
            "Times the event loop or the polling thread stood still for service.stall_after.",
            ["what"],
            registry=registry,
        )
        for what in Stalled:
            self.stalls.labels(what.value)
        self.loop_lag_seconds = Gauge(
            "automation_loop_lag_seconds",
            "How late the event loop is: the greatest delay of the last seconds.",
            registry=registry,
        )
