"""Matched incidents/s with four `log` runs each, and what part of the time the journal takes."""

from __future__ import annotations

from benchmarks.harness import Bench, Figure, Service, query, wait_until
from benchmarks.incidents import EVERY, NOTE, incidents

COUNT = 5_000


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    topic.fill(incidents(COUNT))
    config, journal = bench.config(topic, [EVERY], [NOTE])
    with Service(config) as service:
        wait_until(lambda: service.ended() >= COUNT * 4, 120, 0.25)
        metrics = service.metrics()
    runs, first, last = query(journal, "SELECT count(*), min(created_at), max(ended_at) FROM runs")[0]
    assert runs == COUNT * 4, f"{runs} runs are in the journal"
    seconds = last - first
    share = metrics["automation_journal_commit_seconds_sum"] / seconds
    writes = metrics["automation_journal_batch_size_sum"] / metrics["automation_journal_batch_size_count"]
    return [
        Figure(
            "matched incidents/s with 4 `log` runs each, journaled; share of the time in the journal",
            "figure",
            f"{COUNT / seconds:,.0f}/s ({runs / seconds:,.0f} runs/s); {share:.0%} in the journal",
            None,
            f"{COUNT:,} incidents, from the first run's begin to the last one's end; "
            f"share: transactions of the journal's own thread; {writes:.0f} writes shared one on average",
        )
    ]
