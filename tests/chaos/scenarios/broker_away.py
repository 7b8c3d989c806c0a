"""The broker does not answer for a minute: first frozen, then gone and back on the same address."""

from __future__ import annotations

import signal

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(breaks=frozenset({"kafka"}))


def play(stage: Stage) -> Result:
    away_s = 8.0 if stage.short else 60.0
    stage.fleet.start()
    with stage.workload.flowing(5):
        stage.fleet.wait(5)
        with stage.servers.broker.frozen():
            stage.fleet.wait(away_s)
        stage.fleet.wait(8)
        with stage.servers.broker.down(signal.SIGKILL):
            stage.fleet.wait(away_s)
        stage.fleet.wait(3)
    stage.faults = 2
    return stage.result(f"broker away for {away_s:.0f} s: once frozen, once killed")
