"""From publish to the action, at 100 incidents a second."""

from __future__ import annotations

import time
from datetime import datetime

from confluent_kafka import Producer

from benchmarks.harness import Bench, Figure, Service, percentile, wait_until
from benchmarks.incidents import EVERY, encode, incidents

COUNT, WARM = 2_000, 100
GAP_S = 0.01
ACTION = {"name": "note", "type": "log", "message": "sent {{ incident.tags.sent }}"}


def measure(bench: Bench) -> list[Figure]:
    topic = bench.topic()
    config, _ = bench.config(topic, [EVERY], [ACTION])
    with Service(config) as service:
        wait_until(service.ready, 30)
        time.sleep(1.0)
        _publish(topic)
        wait_until(lambda: service.ended() >= COUNT * 4, 60)
        late: dict[str, list[float]] = {}
        for line in service.lines():
            if line["event"] == "action.log":
                sent = line["msg"].removeprefix("sent ")
                late.setdefault(sent, []).append(datetime.fromisoformat(line["ts"]).timestamp() - float(sent))
    assert len(late) == COUNT, f"{len(late)} incidents acted"
    first = [min(each) * 1000 for each in late.values()][WARM:]
    every = [seconds * 1000 for each in list(late.values())[WARM:] for seconds in each]
    p50, p99 = percentile(first, 0.5), percentile(first, 0.99)
    return [
        Figure(
            "publish → action started, 100 incidents/s",
            "p50 ≤ 5 ms, p99 ≤ 25 ms",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            p50 <= 5 and p99 <= 25,
            f"{len(first):,} incidents of 4 `log` runs each, from before `produce` to the line that the incident's first "
            f"action logs; over all four actions p50 {percentile(every, 0.5):.1f} ms, p99 {percentile(every, 0.99):.1f} ms",
        )
    ]


def _publish(topic) -> None:
    producer = Producer({**topic.settings, "linger.ms": 0})
    due = time.monotonic()
    for document in incidents(COUNT):
        while (left := due - time.monotonic()) > 0:
            producer.poll(left)
        document["incidentTags"].append({"name": "sent", "value": f"{time.time():.6f}"})
        producer.produce(topic.name, encode(document), document["id"])
        producer.poll(0)
        due += GAP_S
    producer.flush(10)
