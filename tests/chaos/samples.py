"""What a process holds, from /proc: memory, threads, file descriptors; and whether it grows."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import NamedTuple

GROWTH = 1.1
SPARE = 3  # threads and descriptors more: connections come and go


class Sample(NamedTuple):
    """One look."""

    rss_mb: float
    threads: int
    descriptors: int


def sample(pid: int) -> Sample:
    """OSError when the process is gone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return Sample(
        int(status["VmRSS"].split()[0]) / 1024,
        int(status["Threads"]),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
    )


def thirds(samples: list[Sample]) -> tuple[Sample, Sample]:
    """The medians of the first third and of the last."""
    size = max(len(samples) // 3, 1)
    return _median(samples[:size]), _median(samples[-size:])


def grown(first: Sample, last: Sample) -> list[str]:
    """What has grown more than it may."""
    found = []
    if last.rss_mb > first.rss_mb * GROWTH:
        found.append(f"memory grew from {first.rss_mb:.0f} to {last.rss_mb:.0f} MB")
    if last.threads > first.threads + SPARE:
        found.append(f"threads grew from {first.threads} to {last.threads}")
    if last.descriptors > first.descriptors + SPARE:
        found.append(f"descriptors grew from {first.descriptors} to {last.descriptors}")
    return found


def _median(samples: list[Sample]) -> Sample:
    return Sample(
        statistics.median(each.rss_mb for each in samples),
        int(statistics.median(each.threads for each in samples)),
        int(statistics.median(each.descriptors for each in samples)),
    )
