"""From the start of the process to the first incident handled."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from statistics import median

from benchmarks.harness import ROOT, Bench, Figure, command
from benchmarks.incidents import EVERY, NOTE, conditions, incidents

ROUNDS = 5
LIMITS_S = {10: 1.5, 10_000: 6.0}


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    topic.fill(incidents(1))
    found = []
    for count, limit_s in LIMITS_S.items():
        rules = [*conditions(count - 1), EVERY]
        seconds = [_start(bench.config(topic, rules, [NOTE])[0]) for _ in range(ROUNDS)]
        found.append(
            Figure(
                f"start to first incident handled, {count:,} conditions",
                f"≤ {limit_s:g} s",
                f"{median(seconds):.2f} s",
                median(seconds) <= limit_s,
                f"median of {ROUNDS}, {min(seconds):.2f} to {max(seconds):.2f}; its 4 runs ended and journaled",
            )
        )
    return found


def _start(config: Path) -> float:
    """Seconds until the log says that the condition's runs have ended."""
    began = time.monotonic()
    process = subprocess.Popen(
        command("run", "-c", config), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith(b"{") and json.loads(line).get("event") == "condition.succeeded":
                return time.monotonic() - began
        raise RuntimeError("the service ended without having handled the incident")
    finally:
        process.terminate()
        process.stderr.read()
        process.wait(60)
