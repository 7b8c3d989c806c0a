"""kill -9 at random moments, one pod on SQLite.

Turns red when a run that was left `running` is started again without a look for its job.
"""

from __future__ import annotations

import statistics
import time

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(job_seconds=1.5)


def play(stage: Stage) -> Result:
    """Each life of the pod gets some new incidents, and an end at a random moment, often in the middle of its start."""
    kills, incidents = (12, 240) if stage.short else (200, 5000)
    pod = stage.fleet[0]
    under_way, resumed = [], []
    stage.slow_starts()
    for number in range(kills):
        # Half of them come back under their old name (static membership), half as a new member of the group.
        static = stage.rng.random() < 0.5
        pod.pod.write({**stage.config(), "kafka": {"group.instance.id": "pod-0"} if static else {}})
        stage.workload.publish(incidents // kills + (number < incidents % kills))
        pod.start()
        time.sleep(stage.rng.uniform(0.1, 1.0) if stage.rng.random() < 0.2 else stage.rng.uniform(1.0, 5.0))
        facts = stage.target.facts()
        if not pod.alive:
            stage.broken.append(
                f"life {number} ended by itself with code {pod.process and pod.process.returncode}"
            )
        pod.kill()
        stage.faults += 1
        under_way.append(facts["running"])
        resumed.append(facts["polled_after_s"])
        stage.target.mark()
    pod.start()
    stage.facts["jobs running when killed, median"] = statistics.median(under_way)
    return stage.result(f"kill -9, {kills} times at random moments", settle_s=300)
