"""How long it takes from kill -9 to the first poll of the dead pod's jobs by another replica."""

from __future__ import annotations

import time

from tests.chaos.fleet import Member
from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

from automation_consumer.model.run import Run, RunStatus
from automation_consumer.store.journal import RunFilter

SETUP = Setup(pods=3, job_seconds=30.0, on_postgres=True, partitions=6)
LEASE_S = 15.0  # the default
TARGET_S = LEASE_S + 2.0
YOUNG_JOB_S = 8.0  # such a job still runs when the lease is over


def play(stage: Stage) -> Result:
    kills = 1 if stage.short else 12
    stage.fleet.start()
    stage.fleet.wait(LEASE_S + 5)  # so long nobody can judge the others
    first: list[float] = []
    last: list[float] = []
    for number in range(kills):
        member = stage.fleet[number % SETUP.pods]
        jobs = _with_young_jobs(stage, member)
        member.kill()
        stage.target.mark(jobs)
        stage.faults += 1
        stage.until(lambda: stage.target.facts()["all_polled_after_s"] is not None, 60, "its jobs are polled")
        facts = stage.target.facts()
        first.append(facts["polled_after_s"] or 60.0)
        last.append(facts["all_polled_after_s"] or 60.0)
        member.start()
        stage.fleet.wait(stage.rng.uniform(6.0, 9.0))
    stage.facts["kill to first poll by another replica, worst, s"] = round(max(first), 2)
    stage.facts["kill to the last job's first poll, worst, s"] = round(max(last), 2)
    stage.in_time("taken over, lease + 2 s", max(first), TARGET_S)
    return stage.result(f"one of three replicas killed with its jobs running, {kills} times")


def _with_young_jobs(stage: Stage, member: Member) -> list[int]:
    """Send incidents until this pod has some young jobs: their events."""
    for _ in range(20):
        stage.workload.publish(4)
        stage.fleet.wait(1.5)
        number = stage.database.number_of(member.pid)
        waiting = stage.runs(RunFilter(status=RunStatus.WAITING, limit=100_000))
        found = [run for run in waiting if run.owner == number and _age_s(run) < YOUNG_JOB_S]
        if len(found) >= 4:
            return [int(run.handle["id"]) for run in found if run.handle is not None]
    stage.broken.append("a pod got no incidents")
    return [0]


def _age_s(run: Run) -> float:
    return time.time() - run.created_at
