"""What the tests of the process share."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

PATIENCE_S = 20.0


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for what another thread does."""

    def wait(holds: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "it does not happen"
            time.sleep(0.005)

    return wait
