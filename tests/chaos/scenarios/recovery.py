"""How long it takes from kill -9 to the first poll of a job that was running."""

from __future__ import annotations

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(job_seconds=20.0)
TARGET_S = 3.0


def play(stage: Stage) -> Result:
    kills = 3 if stage.short else 20
    pod = stage.fleet[0]
    stage.workload.publish(20)
    stage.fleet.start()
    stage.until(lambda: stage.target.facts()["running"] >= 40, 30, "40 jobs run")
    took: list[float] = []
    for _ in range(kills):
        pod.kill()
        stage.target.mark()
        pod.start()
        stage.faults += 1
        stage.until(lambda: stage.target.facts()["polled_after_s"] is not None, 30, "a job is polled again")
        took.append(stage.target.facts()["polled_after_s"] or 30.0)
        stage.workload.publish(2)
        stage.fleet.wait(stage.rng.uniform(0.5, 2.0))
    stage.facts["kill to first poll, worst, s"] = round(max(took), 2)
    stage.in_time("from kill -9 to the first poll", max(took), TARGET_S)
    return stage.result(f"kill -9 with jobs running, {kills} times, restarted at once")
