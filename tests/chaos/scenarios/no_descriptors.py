"""The pod may open no further file or connection for a while."""

from __future__ import annotations

import resource

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(may_end=True)


def play(stage: Stage) -> Result:
    rounds, away_s = (1, 5.0) if stage.short else (4, 20.0)
    pod = stage.fleet[0]
    stage.fleet.start()
    with stage.workload.flowing(5):
        for _ in range(rounds):
            stage.fleet.wait(4)
            pid = pod.pid
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))  # what is open stays open
            stage.target.fault("create", "cut", times=20)  # connections have to be made anew
            stage.fleet.wait(away_s)
            if pod.alive and pod.pid == pid:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            stage.faults += 1
        stage.fleet.wait(4)
    return stage.result(f"no file descriptors left for {away_s:.0f} s")
