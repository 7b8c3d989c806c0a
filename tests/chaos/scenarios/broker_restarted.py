"""The broker is restarted in good order, again and again."""

from __future__ import annotations

import signal

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(breaks=frozenset({"kafka"}))


def play(stage: Stage) -> Result:
    stage.faults = 1 if stage.short else 5
    stage.fleet.start()
    with stage.workload.flowing(5):
        for _ in range(stage.faults):
            stage.fleet.wait(4)
            with stage.servers.broker.down(signal.SIGTERM):
                pass
        stage.fleet.wait(4)
    return stage.result(f"broker restarted, {stage.faults} times")
