"""Nothing is played beside a scenario that breaks what it stands on."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from tests.chaos.schedule import Scenario, played


def a_scenario(name: str, needs: Iterable[str], breaks: Iterable[str] = ()) -> Scenario:
    return Scenario(name, frozenset(needs), frozenset(breaks))


ON_KAFKA = a_scenario("on-kafka", ["kafka"])
ON_BOTH = a_scenario("on-both", ["kafka", "postgres"])
BREAKS_KAFKA = a_scenario("breaks-kafka", ["kafka"], ["kafka"])
BREAKS_POSTGRES = a_scenario("breaks-postgres", ["kafka", "postgres"], ["postgres"])


def test_who_bears_whom() -> None:
    assert ON_KAFKA.bears(ON_BOTH)
    assert ON_KAFKA.bears(BREAKS_POSTGRES)
    assert not ON_KAFKA.bears(BREAKS_KAFKA)
    assert not BREAKS_POSTGRES.bears(ON_BOTH)
    assert not BREAKS_KAFKA.bears(BREAKS_POSTGRES)


def test_those_that_bear_each_other_are_played_at_the_same_time() -> None:
    """Turns red when they are played one after the other: each waits for the other one."""
    both = threading.Barrier(2, timeout=5)

    def play(name: str) -> int:
        return both.wait()

    assert sorted(name for name, _ in played([ON_KAFKA, ON_BOTH], play, 2)) == ["on-both", "on-kafka"]


def test_the_others_have_the_servers_for_themselves() -> None:
    """Turns red when `bears` is not asked."""
    running: set[str] = set()
    beside: dict[str, set[str]] = {}
    lock = threading.Lock()

    def play(name: str) -> None:
        with lock:
            running.add(name)
            for each in running:
                beside.setdefault(each, set()).update(running)
        threading.Event().wait(0.05)
        with lock:
            running.discard(name)

    everything = [ON_KAFKA, ON_BOTH, BREAKS_KAFKA, BREAKS_POSTGRES]

    assert [name for name, _ in played(everything, play, 1)] == [each.name for each in everything]
    beside.clear()
    assert len(list(played(everything, play, 4))) == 4
    assert beside["breaks-kafka"] == {"breaks-kafka"}
    assert beside["breaks-postgres"] <= {"breaks-postgres", "on-kafka"}
