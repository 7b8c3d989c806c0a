"""Ten thousand Screwdriver jobs in flight in one process."""

from __future__ import annotations

import time
from itertools import islice

from benchmarks.harness import MIB, Bench, Figure, Service, query, standin, wait_until
from benchmarks.incidents import EVERY, incidents
from benchmarks.parallel_jobs import SECRET, connection, job

JOBS, THREADS = 10_000, 32
JOB_S, POLL_S = 90.0, 30.0
LIMITS = {"max_in_flight_incidents": 10_000, "max_concurrent_runs": 64, "worker_threads": THREADS}


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    rss, threads, waiting = 0.0, 0, 0
    with standin("tests.standins.screwdriver", "--job-seconds", str(JOB_S)) as url:
        config, journal = bench.config(
            topic,
            [EVERY],
            [job(POLL_S, 900)],
            connections=connection(url),
            limits=LIMITS,
        )
        with Service(config, SECRET) as service:
            wait_until(service.ready, 30)
            time.sleep(1.0)
            before = service.process.num_threads()
            topic.fill(_one_alert_each())
            until = time.monotonic() + 300
            while True:
                time.sleep(1.0)  # the thread that answered the last look at the metrics has ended by now
                rss = max(rss, service.process.memory_info().rss / MIB)
                threads = max(threads, service.process.num_threads())
                waiting = max(
                    waiting, query(journal, "SELECT count(*) FROM runs WHERE status = 'waiting'")[0][0]
                )
                if service.ended() >= JOBS or time.monotonic() > until:
                    break
            metrics = service.metrics()
    good = query(journal, "SELECT count(*) FROM runs WHERE status = 'succeeded'")[0][0]
    polls = metrics["automation_poll_late_seconds_count"]
    in_time = metrics['automation_poll_late_seconds_bucket{le="1.0"}'] / polls
    ours = threads - before
    met = good == JOBS and rss * MIB <= 300e6 and ours <= THREADS and in_time >= 0.99
    return [
        Figure(
            "10,000 Screwdriver jobs in flight in one process, polled every 30 s",
            "all end right; peak RSS ≤ 300 MB; threads ≤ the limit; polls late by ≤ 1 s at p99",
            f"{good:,} ended right; {rss:.0f} MiB; {ours} worker threads of {THREADS}; "
            f"p99 late ≤ {_p99(metrics):g} s",
            met,
            f"{JOBS:,} incidents of one alert, jobs of {JOB_S:.0f} s, up to {waiting:,} waiting at once, {polls:,.0f} polls, "
            f"{in_time:.2%} within 1 s; threads besides the {before} of the idle process; "
            "the stand-in is one Python process on the same cores",
        )
    ]


def _one_alert_each():
    for document in islice(incidents(JOBS), JOBS):
        document["alerts"] = document["alerts"][:1]
        yield document


def _p99(metrics: dict[str, float]) -> float:
    """The upper bound of the bucket in which the 99th percentile falls, seconds."""
    name = "automation_poll_late_seconds"
    bounds = sorted(
        (float(key.split('"')[1]), count)
        for key, count in metrics.items()
        if key.startswith(f"{name}_bucket")
    )
    return next(bound for bound, count in bounds if count >= 0.99 * metrics[f"{name}_count"])
