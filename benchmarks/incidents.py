"""Incidents of 1.5 KB with 4 alerts in BigPanda's format, and conditions that look at them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson

KINDS = ("Disk usage", "CPU load", "Memory usage", "HTTP error rate", "Queue depth", "Certificate expiry")
STARTED = 1767225660


def service(index: int) -> str:
    """The service that condition `index` asks for."""
    return f"svc-{index:05d}"


def node_pattern(index: int) -> str:
    """The regex that condition `index` wants in the title."""
    return rf"(usage|load|rate|depth|expiry) above [0-9]+% on node-{index:05d}-[a-f]"


def incident(number: int, chance: random.Random, services: int) -> dict[str, Any]:
    """An incident that no condition takes. One in ten has the service of a condition, but not its title."""
    near = chance.random() < 0.1
    index = chance.randrange(services)
    name = service(index) if near else f"svc-x{chance.randrange(5000):05d}"
    node = f"node-{index:05d}-z" if near else f"host-{chance.randrange(10000):05d}"
    title = f"{chance.choice(KINDS)} above {chance.randrange(50, 100)}% on {node}"
    return {
        "id": f"inc-{number:08d}",
        "status": "critical",
        "active": True,
        "severity": chance.choice(("critical", "warning")),
        "startedOn": STARTED,
        "updatedOn": STARTED + 60,
        "title": title,
        "incidentTags": [{"name": "service", "value": name}, {"name": "team", "value": "platform"}],
        "alerts": [_alert(number, each, node, name, title, chance) for each in range(4)],
    }


def _alert(
    number: int, index: int, node: str, name: str, title: str, chance: random.Random
) -> dict[str, Any]:
    tags = {
        "host": f"{node}-{index}.example.com",
        "service": name,
        "pod": f"{name}-{chance.getrandbits(32):08x}",
    }
    return {
        "id": f"alert-{number:08d}-{index}",
        "status": "critical",
        "active": True,
        "severity": "critical",
        "startedOn": STARTED,
        "description": title,
        "sourceSystem": "api.prometheus",
        "tags": [{"name": key, "value": value} for key, value in tags.items()],
    }


def incidents(count: int, services: int = 1000) -> Iterator[dict[str, Any]]:
    """`count` of them, the same ones each time."""
    chance = random.Random(7)
    return (incident(number, chance, services) for number in range(count))


def conditions(count: int) -> list[dict[str, Any]]:
    """Conditions by an equality and a regex."""
    return [
        {
            "name": f"condition_{index:05d}",
            "match": {"tags.service": service(index), "title": {"regex": node_pattern(index)}},
            "alert_actions": ["note"],
        }
        for index in range(count)
    ]


NOTE = {"name": "note", "type": "log", "message": "{{ host }}: {{ alert.description }}"}
EVERY = {
    "name": "every",
    "match": {"status": "critical"},
    "alert_actions": ["note"],
    "max_concurrent_alerts": 4,
}


def encode(document: Any) -> bytes:
    """Compact JSON, as a producer sends it."""
    return orjson.dumps(document)
