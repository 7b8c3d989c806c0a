"""Which scenarios are played side by side: none beside one that breaks a server that it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class Scenario:
    """What it stands on, and what of that it breaks."""

    name: str
    needs: frozenset[str]
    breaks: frozenset[str]
    long: bool = False

    def bears(self, other: Scenario) -> bool:
        """Whether both may be played at the same time."""
        return not (self.breaks & other.needs or other.breaks & self.needs)


def played(scenarios: Sequence[Scenario], play: Callable[[str], R], at_once: int) -> Iterator[tuple[str, R]]:
    """Play all of them; names and results as they end. With `at_once` 1 in their order and in this thread, else first
    those that break something, then the long ones."""
    if at_once == 1:
        for each in scenarios:
            yield each.name, play(each.name)
        return
    waiting = sorted(scenarios, key=lambda each: (not each.breaks, not each.long))
    running: dict[Future[R], Scenario] = {}
    with ThreadPoolExecutor(at_once) as pool:
        while waiting or running:
            for each in list(waiting):
                if len(running) < at_once and all(each.bears(other) for other in running.values()):
                    waiting.remove(each)
                    running[pool.submit(play, each.name)] = each
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future).name, future.result()
