"""The disk under the SQLite journal is full for a while; the pod is killed in the middle of it, too."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.results import Result
from tests.chaos.stage import Setup, Stage
from tests.chaos.stores import SqliteStore

SETUP = Setup(may_end=True)  # who is started on a full disk cannot go on
DISK = "8m"


def play(stage: Stage) -> Result:
    rounds, away_s = (2, 4.0) if stage.short else (6, 20.0)
    assert isinstance(stage.store, SqliteStore)
    disk = stage.store.folder
    disk.mkdir()
    stage.mounted(disk, DISK)
    pod = stage.fleet[0]
    stage.fleet.start()
    with stage.workload.flowing(5):
        for number in range(rounds):
            stage.fleet.wait(4)
            _fill(disk / "filler")
            stage.fleet.wait(away_s / 2)
            if number % 2:
                pod.kill()
                pod.start()
            stage.fleet.wait(away_s / 2)
            (disk / "filler").unlink()
            stage.faults += 1
        stage.fleet.wait(4)
    return stage.result(f"disk full under the journal for {away_s:.0f} s")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
