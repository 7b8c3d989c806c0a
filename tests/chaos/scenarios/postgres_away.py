"""PostgreSQL does not answer for a minute: frozen, gone and back; then its sessions are cut, and it crashes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage

SETUP = Setup(pods=3, job_seconds=1.0, on_postgres=True, partitions=6, breaks=frozenset({"postgres"}))
UNDER_WAY_S = 2.0  # what was written before may still be called


def play(stage: Stage) -> Result:
    frozen_s, away_s, cuts = (6.0, 18.0, 3) if stage.short else (60.0, 60.0, 20)
    assert stage.servers.database is not None
    stage.fleet.start()
    windows: list[tuple[float, float]] = []
    # A process that has no store when it starts ends with 2, and is started again: that is not what is looked at here.
    stage.until(lambda: all(each.started for each in stage.fleet.members), 60, "every pod has started")
    with stage.workload.flowing(5):
        stage.fleet.wait(6)
        with stage.servers.database.frozen(), _noted(windows):
            stage.fleet.wait(frozen_s)
        stage.fleet.wait(6)
        with stage.servers.database.down(signal.SIGQUIT), _noted(windows):
            stage.fleet.wait(away_s)
        for _ in range(cuts):
            stage.fleet.wait(stage.rng.uniform(0.5, 2.5))
            stage.database.cut_all()
        stage.fleet.wait(2)
        os.kill(
            stage.database.a_session(), signal.SIGKILL
        )  # the server then throws everybody out and recovers
        stage.fleet.wait(4)
    stage.faults = 3 + cuts
    for began, ended in windows:
        acted = [each for each in stage.target.triggers() if began + UNDER_WAY_S < each["at"] < ended]
        if acted:
            stage.broken.append(f"{len(acted)} jobs were started while nothing could be written")
    return stage.result(
        f"PostgreSQL frozen for {frozen_s:.0f} s, down for {away_s:.0f} s, its sessions cut {cuts} times, crashed",
        settle_s=120,
    )


@contextmanager
def _noted(windows: list[tuple[float, float]]) -> Iterator[None]:
    began = time.monotonic()
    yield
    windows.append((began, time.monotonic()))
