"""Incidents/s when nothing matches, beside a bare loop on the same topic."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from statistics import median

from benchmarks.harness import ROOT, Bench, Figure, Topic, run_once
from benchmarks.incidents import NOTE, conditions, encode, incidents

COUNT = 120_000
ROUNDS = 5


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    count = topic.fill(incidents(bench.many(COUNT)))
    config_of = lambda: bench.config(topic, conditions(1000), [NOTE])[0]  # noqa: E731
    bare, ours = [], []
    for _ in range(ROUNDS):  # in turns, so that a slow minute of the machine hits both
        bare.append(bare_rate(topic, count))
        ours.append(our_rate(config_of(), count))
    ratio = median(ours) / median(bare)
    size = len(encode(next(incidents(1))))
    return [
        Figure(
            "incidents/s, decode + match + commit, nothing matches, 1,000 conditions",
            "≥ 40 % of a bare `consume(500)` + `orjson.loads` loop",
            f"{ratio:.0%}: {median(ours):,.0f}/s against {median(bare):,.0f}/s",
            ratio >= 0.4,
            f"{count:,} messages of {size:,} bytes, 8 partitions, medians of {ROUNDS} in turns; "
            f"ours {_range(ours)}, bare {_range(bare)}",
        )
    ]


def our_rate(config, count: int) -> float:
    """Incidents/s of one `run --once`. Every message was handled, and nothing matched."""
    summary = run_once(config)
    assert (summary["incidents"], summary["matched"], summary["dead_letters"]) == (count, 0, 0), summary
    return count / summary["handling_s"]


def bare_rate(topic: Topic, count: int) -> float:
    settings = json.dumps({**topic.settings, "group.id": uuid.uuid4().hex})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bare_loop", settings, topic.name, str(count)],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
    )
    return count / json.loads(done.stdout)["handling_s"]


def _range(rates: list[float]) -> str:
    return f"{min(rates):,.0f} to {max(rates):,.0f}"
