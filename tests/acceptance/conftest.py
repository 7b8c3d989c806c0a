"""A broker, a Screwdriver and a service for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.pod import DEAD_LETTERS, TOPIC, Pod
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.sources.kafka.embedded import EmbeddedBroker

MakePod = Callable[..., Pod]


@pytest.fixture
def server() -> Iterator[ScrewdriverStandin]:
    """A Screwdriver whose jobs end after 0.3 s."""
    with ScrewdriverStandin(job_seconds=0.3) as running:
        yield running


@pytest.fixture
def make_pod(tmp_path: Path) -> Iterator[MakePod]:
    """Makes a service of a configuration, on a broker of its own."""
    with EmbeddedBroker({TOPIC: 2, DEAD_LETTERS: 1}) as broker:
        made: list[Pod] = []

        def make(config: dict[str, Any], **rest: Any) -> Pod:
            made.append(Pod(tmp_path / f"pod{len(made)}", broker.address, config, **rest))
            return made[-1]

        yield make
        for pod in made:
            pod.close()
