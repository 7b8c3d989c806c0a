"""The target answers 500, 429, late, half, never, or not at all, before and after it has done the work."""

from __future__ import annotations

from typing import Any

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup()
HANGS = 3  # starts that get no answer; each is waited for for a minute


def play(stage: Stage) -> Result:
    incidents = 60 if stage.short else 600
    pod = stage.fleet[0].pod
    pod.write(stage.config(timeout=2))
    for route in ("create", "builds", "events", "token"):
        for share, fault in FAULTS:
            stage.target.fault(route, times=10_000_000, share=share, **fault)
    for after in (False, True):
        stage.target.fault("create", "hang", times=HANGS, share=0.05, after=after)
    stage.target.fault("builds", "hang", times=HANGS * 10, share=0.02)
    stage.target.fault("events", "hang", times=HANGS, share=0.05)
    stage.fleet.start()
    with stage.workload.flowing(10):
        stage.fleet.wait(incidents / 10)
    stage.until(stage.settled, 400, "everything handled and committed")
    stage.faults = stage.target.facts()["struck"]
    return stage.result("target answers 500, 502, 503, 429, late, never, half; resets or cuts the connection")


FAULTS: list[tuple[float, dict[str, Any]]] = [
    (0.02, {"status": 500}),
    (0.02, {"status": 500, "after": True}),
    (0.01, {"status": 502, "after": True}),
    (0.02, {"status": 503, "headers": {"Retry-After": "1"}}),
    (0.02, {"status": 429, "headers": {"Retry-After": "1"}}),
    (0.02, {"kind": "late", "seconds": 1.0}),
    (0.02, {"kind": "reset"}),
    (0.02, {"kind": "reset", "after": True}),
    (0.02, {"kind": "cut"}),
    (0.02, {"kind": "cut", "after": True}),
    (0.02, {"kind": "half"}),
    (0.02, {"kind": "half", "after": True}),
]
