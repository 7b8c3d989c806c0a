"""One, two and four replicas on one PostgreSQL: matched incidents/s with four `log` runs each."""

from __future__ import annotations

import os
from contextlib import ExitStack

import psutil

from benchmarks.databases import database
from benchmarks.harness import Bench, Figure, Service, wait_until
from benchmarks.incidents import EVERY, NOTE, incidents

COUNT = 4_000
SIZES = (1, 2, 4)


def measure(bench: Bench) -> list[Figure]:
    if not os.environ.get("TEST_POSTGRES"):
        raise SystemExit("benchmarks: `replicas` needs PostgreSQL (TEST_POSTGRES)")
    rates = {size: rate(bench, size) for size in SIZES}
    seen = ", ".join(f"{size}: {value:,.0f}/s" for size, (value, _) in rates.items())
    load = ", ".join(f"{size}: {busy:.0%}" for size, (_, busy) in rates.items())
    return [
        Figure(
            "matched incidents/s with 4 `log` runs each, by replicas on one PostgreSQL",
            "figure",
            seen,
            None,
            f"{COUNT:,} incidents on 8 partitions; of the machine's {psutil.cpu_count()} cores in use: {load}",
        )
    ]


def rate(bench: Bench, size: int) -> tuple[float, float]:
    """Incidents a second, and the share of all cores that was in use."""
    topic = bench.topic()
    config, _ = bench.config(topic, [EVERY], [NOTE], store=database())
    with ExitStack() as stack:
        pods = [stack.enter_context(Service(config, name=f"pod{number}")) for number in range(size)]
        wait_until(lambda: all(pod.ready() for pod in pods), 60, 0.2)
        psutil.cpu_percent()
        began = pods[0].now()
        topic.fill(incidents(COUNT))
        wait_until(lambda: sum(pod.ended() for pod in pods) >= COUNT * 4, 300, 0.2)
        return COUNT / (pods[0].now() - began), psutil.cpu_percent() / 100
