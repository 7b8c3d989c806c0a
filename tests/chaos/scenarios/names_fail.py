"""The target's name does not resolve for a minute, and its open connections are lost."""

from __future__ import annotations

from tests.chaos.launch import HOST
from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup()


def play(stage: Stage) -> Result:
    away_s = 6.0 if stage.short else 60.0
    pod = stage.fleet[0]
    pod.pod.write(stage.config(url=f"http://{HOST}:{stage.target.port}"))
    levers = stage.bendable(pod)
    stage.fleet.start()
    with stage.workload.flowing(5):
        stage.fleet.wait(4)
        levers.set(names_fail=True)
        for route in ("create", "builds", "events"):  # whoever has a connection loses it
            stage.target.fault(route, "reset", times=10_000_000)
        stage.fleet.wait(away_s)
        levers.set()
        stage.target.heal()
        stage.fleet.wait(4)
    stage.faults = 1
    return stage.result(f"name server away for {away_s:.0f} s")
