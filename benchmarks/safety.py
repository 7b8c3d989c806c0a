"""What the journal costs: matched incidents/s with four `log` runs each, on SQLite, on PostgreSQL and in memory."""

from __future__ import annotations

import os
import sys
from statistics import median

from benchmarks.databases import database
from benchmarks.harness import Bench, Figure, Service, wait_until
from benchmarks.incidents import EVERY, NOTE, incidents

COUNT = 3_000
ROUNDS = 3  # in turn, so that a noisy moment of the machine hits all of them


def measure(bench: Bench) -> list[Figure]:
    stores = ["memory", "sqlite", *(["postgresql"] if os.environ.get("TEST_POSTGRES") else [])]
    seen: dict[str, list[float]] = {store: [] for store in stores}
    for _ in range(ROUNDS):
        for store in stores:
            seen[store].append(rate(bench, store))
    rates = {store: median(values) for store, values in seen.items()}
    figures = []
    for store in stores[1:]:
        share = rates[store] / rates["memory"]
        figures.append(
            Figure(
                f"matched incidents/s with 4 `log` runs each: journal on {store} against one in memory",
                ">= 50 %" if store == "sqlite" else "figure",
                f"{share:.0%} ({rates[store]:,.0f}/s against {rates['memory']:,.0f}/s)",
                share >= 0.5 if store == "sqlite" else None,
                f"{COUNT:,} incidents; the median of {ROUNDS} rounds in turn",
            )
        )
    return figures


def rate(bench: Bench, store: str) -> float:
    topic = bench.topic()
    topic.fill(incidents(COUNT))
    sections = {"store": database()} if store == "postgresql" else {}
    config, _ = bench.config(topic, [EVERY], [NOTE], **sections)
    command = [sys.executable, "-m", "benchmarks.memory_service"] if store == "memory" else None
    with Service(config, command=command) as service:
        wait_until(lambda: service.ended() > 0, 60, 0.05)
        began, already = service.now(), service.ended()
        wait_until(lambda: service.ended() >= COUNT * 4, 240, 0.1)
        return (COUNT * 4 - already) / 4 / (service.now() - began)
