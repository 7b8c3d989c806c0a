"""`python -m benchmarks [NAME...]`: measure, and write docs/performance.md."""

from __future__ import annotations

import argparse
import importlib
from datetime import UTC, datetime

from benchmarks.harness import Bench, as_row, machine
from benchmarks.page import load, save, write

NAMES = (
    "throughput",
    "many_conditions",
    "ansible_rulebook",
    "journaled",
    "latency",
    "parallel_jobs",
    "jobs_in_flight",
    "startup",
    "idle",
    "burst",
    "safety",
    "replicas",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"Default: all of {', '.join(NAMES)}.")
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    results = load()
    for name in names:
        with Bench() as bench:
            figures = importlib.import_module(f"benchmarks.{name}").measure(bench)
            where = {"machine": machine(), "broker": bench.broker, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
        results[name] = [{**as_row(figure), **where} for figure in figures]
        for figure in figures:
            print(f"{figure.what}: {figure.seen} (target {figure.target}) {figure.note}", flush=True)
        save(results)
    write(results, NAMES)


if __name__ == "__main__":
    main()
