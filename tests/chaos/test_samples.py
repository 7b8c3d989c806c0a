"""A leak is seen, and what comes and goes is not taken for one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.chaos.samples import Sample, grown, sample, thirds


def test_a_process_is_measured() -> None:
    """Turns red when descriptors or threads are not counted."""
    before = sample(os.getpid())
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    with Path("/dev/null").open():
        thread.start()
        during = sample(os.getpid())
    over.set()
    thread.join()

    assert during.threads == before.threads + 1
    assert during.descriptors == before.descriptors + 1
    assert during.rss_mb > 10


def test_what_grows_is_told() -> None:
    """Turns red when the last third is not compared with the first."""
    steady = [Sample(100.0, 20, 30)] * 30
    leaking = [Sample(100.0 + n, 20 + n, 30 + n) for n in range(30)]

    assert grown(*thirds(steady)) == []
    assert len(grown(*thirds(leaking))) == 3


def test_one_look_at_a_bad_moment_is_not_a_leak() -> None:
    samples = [Sample(100.0, 20, 30)] * 30
    samples[-1] = Sample(200.0, 60, 90)

    assert grown(*thirds(samples)) == []
