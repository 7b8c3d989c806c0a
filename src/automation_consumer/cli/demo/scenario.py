"""What the demo sends, and what must come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

FAILING_HOST = "store3-2.example.com"
"""The job for this host ends badly, so that `on_failure` has something to do."""

Expected = Mapping[tuple[str, str], int]
"""Runs by (action, status)."""


@dataclass(frozen=True)
class Sample:
    """One message. `condition`: the one that takes it, None when none does; `runs`: what the journal then has of it."""

    value: bytes
    key: bytes | None = None
    condition: str | None = None
    runs: Expected = field(default_factory=dict)
    poison: bool = False


def samples(now: float) -> list[Sample]:
    """A minute's worth of messages, in the order in which they are sent. `now`: epoch seconds."""
    late = [_late(number, now) for number in range(8)]
    disks = [_disks(number, now) for number in range(8)]
    certificates = [_certificate(number, now) for number in range(8)]
    links = [_links(number, now) for number in range(8)]
    quiet = [_quiet(number, now) for number in range(26)]
    mixed = [sample for group in zip(late, disks, certificates, links, strict=True) for sample in group]
    mixed = _woven(mixed, quiet)
    mixed.insert(20, Sample(b'{"id": "INC-broken", "status": crit', poison=True))
    again = {("rerun_coordinator", "skipped"): 4, ("tell_data_team", "skipped"): 1}
    mixed.insert(50, Sample(late[0].value, late[0].key, "oozie_coordinator_late", again))
    return mixed


def expected_runs(sent: Sequence[Sample]) -> Counter[tuple[str, str]]:
    """All of them together."""
    total: Counter[tuple[str, str]] = Counter()
    for sample in sent:
        total.update(sample.runs)
    return total


def expected_conditions(sent: Sequence[Sample]) -> Counter[str]:
    """How many messages each condition takes."""
    return Counter(sample.condition for sample in sent if sample.condition is not None)


def _woven(first: Sequence[Sample], second: Sequence[Sample]) -> list[Sample]:
    """Both in their own order, evenly mixed."""
    placed = [
        ((place + 0.5) / len(group), sample)
        for group in (first, second)
        for place, sample in enumerate(group)
    ]
    return [sample for _, sample in sorted(placed, key=lambda each: each[0])]


# --- kinds of incidents ----------------------------------------------------------------------------------------------


def _late(number: int, now: float) -> Sample:
    pipelines = ("billing", "clicks", "ads", "mail")
    alerts = [
        _alert(
            f"late{number}-{index}",
            f"oozie{index}.example.com",
            check="oozie_coord_late",
            oozie_pipeline=pipeline,
        )
        for index, pipeline in enumerate(pipelines)
    ]
    incident = _incident(f"INC-1{number:02}", f"coordinators are late on grid {number}", now, alerts)
    runs = {("rerun_coordinator", "succeeded"): 4, ("tell_data_team", "succeeded"): 1}
    return _sample(incident, "oozie_coordinator_late", runs)


def _disks(number: int, now: float) -> Sample:
    hosts = [f"store{number}-{index}.example.com" for index in range(4)]
    alerts = [
        _alert(f"disk{number}-{index}", host, check="disk_usage", mount="/var", used=f"{93 + index}%")
        for index, host in enumerate(hosts)
    ]
    incident = _incident(f"INC-2{number:02}", f"disks of store {number} are full", now, alerts)
    failing = hosts.count(FAILING_HOST)
    runs = {("clean_disk", "succeeded"): 4 - failing, ("note_in_inventory", "succeeded"): 4 - failing}
    if failing:
        runs |= {("clean_disk", "failed"): failing, ("page_oncall", "succeeded"): 1}
    return _sample(incident, "disk_full", runs)


def _certificate(number: int, now: float) -> Sample:
    host = f"www{number}.example.com"
    alerts = [_alert(f"cert{number}", host, "warning", check="tls_certificate", days_left=number)]
    incident = _incident(
        f"INC-3{number:02}", f"certificate of {host} expires soon", now, alerts, status="warning"
    )
    return _sample(incident, "certificate_expires", {("renew_certificate", "succeeded"): 1})


def _links(number: int, now: float) -> Sample:
    host = f"switch{number}.example.com"
    alerts = [
        _alert(f"link{number}-{index}", host, "warning", check="interface", interface=f"eth{index}")
        for index in range(2)
    ]
    incident = _incident(f"INC-4{number:02}", f"links of {host} are flapping", now, alerts, status="warning")
    return _sample(incident, "link_flaps", {("let_it_settle", "succeeded"): 2, ("note_link", "succeeded"): 2})


def _quiet(number: int, now: float) -> Sample:
    """An incident that no condition takes: of staging, already over, or of a kind that nobody has automated."""
    kind = number % 3
    check = ("oozie_coord_late", "disk_usage", "queue_length")[kind]
    status = ("critical", "ok", "critical")[kind]
    env = ("staging", "production", "production")[kind]
    alerts = [
        _alert(f"quiet{number}-{index}", f"node{number}-{index}.example.com", status, check=check, mount="/")
        for index in range(1 + number % 4)
    ]
    title = f"{check} on node{number}"
    return _sample(_incident(f"INC-5{number:02}", title, now, alerts, status=status, env=env), None, {})


# --- BigPanda's shape ------------------------------------------------------------------------------------------------


def _sample(incident: dict[str, Any], condition: str | None, runs: Expected) -> Sample:
    return Sample(orjson.dumps(incident), incident["id"].encode(), condition, runs)


def _incident(
    incident_id: str,
    title: str,
    now: float,
    alerts: list[dict[str, Any]],
    *,
    status: str = "critical",
    env: str = "production",
) -> dict[str, Any]:
    return {
        "id": incident_id,
        "title": title,
        "status": status,
        "severity": "critical",
        "active": status != "ok",
        "startedOn": int(now) - 300,
        "updatedOn": int(now),
        "incidentTags": _tags({"env": env}),
        "alerts": alerts,
    }


def _alert(alert_id: str, host: str, status: str = "critical", **tags: Any) -> dict[str, Any]:
    return {
        "id": alert_id,
        "status": status,
        "active": status != "ok",
        "sourceSystem": "monitoring",
        "tags": _tags({"host": host, **tags}),
    }


def _tags(named: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in named.items()]
