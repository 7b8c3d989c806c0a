"""Memory while 1,000,000 messages wait on the topic and every one of them matches a slow action."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.harness import MIB, Bench, Figure, Service, query, wait_until

COUNT = 1_000_000
IN_FLIGHT = 1000
WARM_UP_S, WATCH_S, EVERY_S = 20.0, 120.0, 0.25
SLOW = {"name": "slow", "type": "wait", "duration": 0.5}
EVERY_ONE = {"name": "every", "match": {"status": "critical"}, "incident_actions": ["slow"]}


class Look(NamedTuple):
    """The process at one moment."""

    resident: int  # bytes
    in_flight: int
    ended: int  # runs


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    sent = topic.fill(small(bench.many(COUNT)))
    limits = {"max_in_flight_incidents": IN_FLIGHT}
    quiet = {"port": 0, "log_level": "warning", "log_format": "json"}
    config, journal = bench.config(topic, [EVERY_ONE], [SLOW], limits=limits, service=quiet)
    with Service(config) as service:
        wait_until(lambda: service.ended() > 0, 60)
        look_at(service, WARM_UP_S)
        seen = look_at(service, WATCH_S)
    third = len(seen) // 3
    first = max(each.resident for each in seen[:third])
    last = max(each.resident for each in seen[-third:])
    most = max(each.in_flight for each in seen)
    handled = seen[-1].ended
    [(runs,)] = query(journal, "SELECT count(*) FROM runs WHERE status = 'succeeded'")
    assert runs >= handled, f"{handled:,} runs were counted and {runs:,} are in the journal"
    assert handled < sent, "everything was handled before the watch ended: nothing waited"
    grown = (seen[-1].resident - seen[0].resident) / max(1, handled - seen[0].ended)
    return [
        Figure(
            f"memory while {sent:,} messages wait that all match a slow action",
            f"last third ≤ 1.1 x first third; in flight ≤ {IN_FLIGHT:,} and one batch",
            f"{last / MIB:,.0f} MiB against {first / MIB:,.0f} MiB; {most:,} in flight at most",
            last <= 1.1 * first and most <= IN_FLIGHT + IN_FLIGHT // 8,
            f"{WATCH_S:g} s, {WARM_UP_S:g} s after the first run's end; {handled:,} incidents handled by then, each "
            f"another one and none of them over; {grown:,.0f} bytes a handled incident",
        )
    ]


def small(count: int) -> Iterator[dict[str, Any]]:
    """Incidents of one alert, about 250 bytes each."""
    for number in range(count):
        alert = {"id": f"a{number}", "status": "critical", "active": True, "description": "disk full"}
        yield {
            "id": f"inc-{number}",
            "status": "critical",
            "active": True,
            "severity": "critical",
            "alerts": [alert],
        }


def look_at(service: Service, seconds: float) -> list[Look]:
    """Look again and again for so long."""
    seen = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        metrics = service.metrics()
        ended = sum(value for name, value in metrics.items() if name.startswith("automation_runs_total{"))
        in_flight = int(metrics["automation_incidents_in_flight"])
        seen.append(Look(service.process.memory_info().rss, in_flight, int(ended)))
        time.sleep(EVERY_S)
    return seen
