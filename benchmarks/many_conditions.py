"""Incidents/s with 10,000 conditions beside 10, when nothing matches."""

from __future__ import annotations

from statistics import median

from benchmarks.harness import Bench, Figure
from benchmarks.incidents import NOTE, conditions, incidents
from benchmarks.throughput import our_rate

COUNT = 120_000
ROUNDS = 3


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    count = topic.fill(incidents(bench.many(COUNT)))
    few, many = [], []
    for _ in range(ROUNDS):
        few.append(our_rate(bench.config(topic, conditions(10), [NOTE])[0], count))
        many.append(our_rate(bench.config(topic, conditions(10_000), [NOTE])[0], count))
    ratio = median(many) / median(few)
    return [
        Figure(
            "the same with 10,000 conditions",
            "≥ 80 % of its own rate with 10",
            f"{ratio:.0%}: {median(many):,.0f}/s against {median(few):,.0f}/s",
            ratio >= 0.8,
            f"medians of {ROUNDS} in turns",
        )
    ]
