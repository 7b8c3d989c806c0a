"""The machine's clock jumps by an hour, forth and back, between two lives of the pod and while jobs run."""

from __future__ import annotations

from typing import Any

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(job_seconds=2.0)
HOUR_S = 3600.0


def play(stage: Stage) -> Result:
    pause_s = 4.0 if stage.short else 15.0
    pod = stage.fleet[0]
    levers = stage.bendable(pod)
    pod.pod.write(_patient(stage.config()))
    stage.fleet.start()
    with stage.workload.flowing(5):
        stage.fleet.wait(pause_s)
        for off_s in (HOUR_S, 0.0):  # over a restart
            pod.kill()
            levers.set(off_s)
            pod.start()
            stage.fleet.wait(pause_s)
        pod.kill()
        pod.pod.write(stage.config())
        pod.start()
        for off_s in (HOUR_S, 0.0, -HOUR_S, 0.0):
            levers.set(off_s)
            stage.fleet.wait(pause_s)
    stage.faults = 6
    return stage.result("clock jumps of an hour, forth and back, running and over a restart", settle_s=60)


def _patient(config: dict[str, Any]) -> dict[str, Any]:
    """A clock that is an hour ahead after a restart says that the pod was away for an hour, and then jobs are overdue."""
    config["actions"][0]["polling_timeout"] = 2 * HOUR_S
    return config
