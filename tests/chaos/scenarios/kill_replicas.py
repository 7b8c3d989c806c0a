"""kill -9 at random moments among replicas on PostgreSQL, which also join and leave, so that partitions move all the time.

Turns red when a run that was left `running` is started again without a look for its job.
"""

from __future__ import annotations

from typing import Any

from tests.chaos.fleet import YOUNG_S, Member
from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(pods=4, job_seconds=1.5, on_postgres=True, partitions=6)
EAGER, COOPERATIVE = "range", "cooperative-sticky"
REPLICAS = 3  # the fourth pod comes and goes


def play(stage: Stage) -> Result:
    """The first half of the lives under the eager protocol of rebalances, the second under the cooperative one."""
    kills, incidents, longest_s = (8, 160, 5.0) if stage.short else (200, 5000, 12.0)
    stage.slow_starts()
    joins = leaves = 0
    with stage.workload.flowing(incidents / (kills * (longest_s + 0.5) / 2)):
        for number in range(kills):
            if number == kills // 2:
                _new_protocol(stage)
            joins += _join(stage, EAGER if number < kills // 2 else COOPERATIVE)
            stage.fleet.wait(stage.rng.uniform(0.5, longest_s))
            leaves += _leave(stage)
            for member in stage.rng.sample(_alive(stage), 2 if stage.rng.random() < 0.1 else 1):
                member.kill()
            stage.faults += 1
    _join(stage, COOPERATIVE, surely=True)
    stage.workload.publish(max(incidents - stage.workload.incidents, 0))
    stage.facts.update({"pods joined": joins, "pods left by SIGTERM": leaves})
    return stage.result(
        f"kill -9 among replicas on PostgreSQL, {kills} times at random moments", settle_s=300
    )


def _alive(stage: Stage) -> list[Member]:
    return [member for member in stage.fleet.members if member.alive]


def _join(stage: Stage, strategy: str, *, surely: bool = False) -> int:
    """Start most of those that do not run, and so many that two run at least."""
    joined = 0
    for number, member in enumerate(stage.fleet.members[: REPLICAS if surely else None]):
        if member.alive:
            continue
        if surely or stage.rng.random() < 0.7 or len(_alive(stage)) < 2:
            member.pod.write({**stage.config(), "kafka": _kafka(stage, number, strategy)})
            member.start()
            joined += 1
    return joined


def _kafka(stage: Stage, number: int, strategy: str) -> dict[str, Any]:
    """Half of them come back under their old name (static membership), half as a new member of the group."""
    static = {"group.instance.id": f"pod-{number}"} if stage.rng.random() < 0.5 else {}
    return {"partition.assignment.strategy": strategy, "session.timeout.ms": 3000, **static}


def _leave(stage: Stage) -> int:
    """Now and then one leaves in good order, while another one is killed."""
    alive = _alive(stage)
    if len(alive) < 3 or stage.rng.random() > 0.3:
        return 0
    stage.rng.choice(alive).leave()
    return 1


def _new_protocol(stage: Stage) -> None:
    """A group has one protocol at a time: all die, and the broker has to miss them."""
    for member in _alive(stage):
        member.kill()
    stage.fleet.wait(YOUNG_S + 1)
