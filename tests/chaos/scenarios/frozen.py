"""Replicas are frozen (SIGSTOP) at the worst moments, and go on after everybody else has given them up.

Turns red when a run that may be acting is adopted on its owner's lease alone.
"""

from __future__ import annotations

from tests.chaos.launch import Moment
from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(pods=3, job_seconds=1.5, on_postgres=True, partitions=6)
LATE_S = 2.0


def play(stage: Stage) -> Result:
    """In each round one pod stops between its last look at its lease and the call that starts a job, and another one
    while such calls are unanswered; the third goes on alone."""
    rounds, frozen_s = (1, 22.0) if stage.short else (6, 60.0)
    levers = [stage.bendable(member) for member in stage.fleet.members]
    stage.fleet.start()
    with stage.workload.flowing(5):
        stage.fleet.wait(8 if stage.short else 20)
        for number in range(rounds):
            before, amid, _ = ((number + n) % SETUP.pods for n in range(SETUP.pods))
            levers[before].set(freeze=Moment.AFTER_LAST_LOOK)
            stage.until(lambda one=before: stage.fleet[one].frozen, 20, "a pod stops before it starts a job")  # type: ignore[misc]
            _freeze_amid(stage, amid)
            stage.fleet.wait(frozen_s)
            for one in (before, amid):
                stage.fleet[one].thaw()
            stage.faults += 2
            stage.fleet.wait(4 if stage.short else 20)
    return stage.result(
        f"two of three replicas frozen for {frozen_s:.0f} s, inside the start of a job", settle_s=120
    )


def _freeze_amid(stage: Stage, number: int) -> None:
    """All that it starts is done and answered late, so it stands in some of these calls."""
    stage.target.fault("create", "late", seconds=LATE_S, times=10_000_000)
    stage.fleet.wait(LATE_S)
    stage.fleet[number].freeze()
    stage.target.heal()
