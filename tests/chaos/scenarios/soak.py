"""A steady rate for a long time with a fault every 10 s; the pod that nobody kills must not grow."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

import psycopg
from tests.chaos.fleet import Member
from tests.chaos.results import Result
from tests.chaos.samples import Sample, grown, sample, thirds
from tests.chaos.stage import Setup, Stage

SETUP = Setup(
    pods=3, job_seconds=2.0, on_postgres=True, partitions=6, bears=frozenset({"postgres"}), long=True
)
FAULT_EVERY_S = 10
WARM_S = 20  # its first seconds do not count: it imports, connects, fills its pools


def play(stage: Stage) -> Result:
    """The short form leaves the servers alone, so that other scenarios can be played beside it."""
    seconds, per_second = (180, 3.0) if stage.short else (1800, 5.0)
    faults = list(GENTLE) if stage.short else [*GENTLE, *HARD]
    for member in stage.fleet.members:
        member.pod.write({**stage.config(), "limits": {"worker_threads": 8}})
    stage.fleet.start()
    samples: list[Sample] = []
    steady = stage.fleet[0]
    with stage.workload.flowing(per_second):
        for second in range(1, seconds + 1):
            stage.fleet.wait(1.0)
            if second > WARM_S:
                samples.append(sample(steady.pid))
            if second % FAULT_EVERY_S == 0:
                if stage.faults % len(faults) == 0:
                    stage.rng.shuffle(faults)
                faults[stage.faults % len(faults)](stage)
                stage.faults += 1
    first, last = thirds(samples)
    stage.broken += grown(first, last)
    stage.facts["memory, first and last third, MB"] = f"{first.rss_mb:.0f}, {last.rss_mb:.0f}"
    stage.facts["threads"] = f"{first.threads}, {last.threads}"
    stage.facts["descriptors"] = f"{first.descriptors}, {last.descriptors}"
    return stage.result(f"{seconds // 60} minutes with a fault every {FAULT_EVERY_S} s", settle_s=120)


def _other(stage: Stage) -> Member:
    return stage.rng.choice([member for member in stage.fleet.members[1:] if member.alive])


def _killed(stage: Stage) -> None:
    member = _other(stage)
    member.kill()
    member.start()


def _restarted(stage: Stage) -> None:
    member = _other(stage)
    member.leave()
    stage.until(lambda: not member.alive, 60, "a pod ends after SIGTERM")
    member.start()


def _frozen(stage: Stage) -> None:
    member = _other(stage)
    member.freeze()
    stage.fleet.wait(4.0)
    member.thaw()


def _target_down(stage: Stage) -> None:
    for route in ("create", "builds", "events"):
        stage.target.fault(route, "reset", times=10_000_000)
    stage.fleet.wait(3.0)
    stage.target.heal()


def _target_forgets_to_answer(stage: Stage) -> None:
    stage.target.fault("create", "cut", after=True, times=6)
    stage.target.fault("create", "half", after=True, times=2)
    stage.target.fault("create", status=500, times=4)
    stage.target.fault("builds", status=503, times=20, headers={"Retry-After": "1"})


def _tokens_expire(stage: Stage) -> None:
    stage.target.expire()


def _sessions_cut(stage: Stage) -> None:
    with suppress(psycopg.OperationalError):  # another scenario has the server down
        stage.database.cut_all()


def _broker_frozen(stage: Stage) -> None:
    with stage.servers.broker.frozen():
        stage.fleet.wait(4.0)


def _broker_restarted(stage: Stage) -> None:
    with stage.servers.broker.down(signal.SIGTERM):
        stage.fleet.wait(1.0)


def _database_restarted(stage: Stage) -> None:
    assert stage.servers.database is not None
    with stage.servers.database.down(signal.SIGQUIT):
        stage.fleet.wait(2.0)


Fault = Callable[[Stage], None]
GENTLE: list[Fault] = [
    _killed,
    _restarted,
    _frozen,
    _target_down,
    _target_forgets_to_answer,
    _tokens_expire,
    _sessions_cut,
]
HARD: list[Fault] = [_broker_frozen, _broker_restarted, _database_restarted]
