"""Memory of a service that has nothing to do."""

from __future__ import annotations

import time

from benchmarks.harness import MIB, Bench, Figure, Service, wait_until
from benchmarks.incidents import NOTE, conditions

SETTLE_S = 8.0


def measure(bench: Bench) -> list[Figure]:
    sizes = {}
    for count in (10, 10_000):
        with Service(bench.config(bench.topic(), conditions(count), [NOTE])[0]) as service:
            wait_until(service.ready, 30)
            time.sleep(SETTLE_S)
            sizes[count] = service.process.memory_info().rss / MIB
    return [
        Figure(
            "idle RSS, 10 conditions",
            "≤ 90 MB",
            f"{sizes[10]:.0f} MiB",
            sizes[10] * MIB <= 90e6,
            f"{SETTLE_S:.0f} s after it was ready; {sizes[10_000]:.0f} MiB with 10,000 conditions",
        )
    ]
