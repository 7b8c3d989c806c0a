"""A replica is frozen and its sessions at the database end, as when its host is suspended: the others take all of its runs
over, and when it goes on it must not act.

Turns red when the last look at the lease before a call is left out.
"""

from __future__ import annotations

from tests.chaos.launch import Moment
from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(pods=3, job_seconds=1.5, on_postgres=True, partitions=6)


def play(stage: Stage) -> Result:
    """Each time it stops immediately before that look, with the intent written."""
    rounds, frozen_s = (1, 28.0) if stage.short else (6, 60.0)
    levers = [stage.bendable(member) for member in stage.fleet.members]
    stage.fleet.start()
    with stage.workload.flowing(5):
        stage.fleet.wait(6 if stage.short else 20)
        for number in range(rounds):
            member = stage.fleet[number % SETUP.pods]
            levers[number % SETUP.pods].set(freeze=Moment.BEFORE_LAST_LOOK)
            stage.until(lambda it=member: it.frozen, 20, "a pod stops before its last look")  # type: ignore[misc]
            stage.database.cut_all()
            stage.fleet.wait(frozen_s)
            member.thaw()
            stage.faults += 1
            stage.fleet.wait(4 if stage.short else 20)
    return stage.result(
        f"a replica suspended for {frozen_s:.0f} s before it starts a job, its sessions cut", settle_s=120
    )
