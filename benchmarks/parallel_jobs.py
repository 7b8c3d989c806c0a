"""An incident of four alerts, each with a Screwdriver job of ten seconds."""

from __future__ import annotations

import time

from benchmarks.harness import Bench, Figure, Service, query, standin, wait_until
from benchmarks.incidents import EVERY, incidents

JOB_S, POLL_S = 10.0, 1.0
SECRET = {"AUTOMATION_SECRET_SD_TOKEN": "sd-api-token"}


def job(polling_interval: float, polling_timeout: float) -> dict[str, object]:
    """The action that starts the stand-in's job."""
    return {
        "name": "note",
        "type": "screwdriver",
        "pipeline_id": 1,
        "job_name": "fix",
        "alert_parameters": ["id"],
        "polling_interval": polling_interval,
        "polling_timeout": polling_timeout,
    }


def connection(url: str) -> dict[str, object]:
    return {"screwdriver": {"url": url, "auth_secret": "sd-token"}}


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    with standin("tests.standins.screwdriver", "--job-seconds", str(JOB_S)) as url:
        config, journal = bench.config(topic, [EVERY], [job(POLL_S, 60)], connections=connection(url))
        with Service(config, SECRET) as service:
            wait_until(service.ready, 30)
            began = time.time()
            topic.fill(incidents(1))
            wait_until(lambda: service.ended() >= 4, 60)
    count, last = query(journal, "SELECT count(*), max(ended_at) FROM runs WHERE status = 'succeeded'")[0]
    assert count == 4, f"{count} of 4 succeeded"
    seconds, limit_s = last - began, 1.05 * JOB_S + POLL_S
    return [
        Figure(
            "4 alerts whose job takes T = 10 s",
            f"≤ 1.05 T + one poll ({limit_s:g} s)",
            f"{seconds:.2f} s",
            seconds <= limit_s,
            "from publish to the end of the last run; polled every second",
        )
    ]
