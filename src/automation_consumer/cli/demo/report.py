"""What came of the demo, and whether it is what should have come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from automation_consumer.cli.demo.scenario import Sample, expected_conditions, expected_runs
from automation_consumer.cli.demo.targets import Targets
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.pipeline.work import Tally


@dataclass(frozen=True)
class ActionTotal:
    """The runs of one action: how many ended how, and the seconds that they took one by one."""

    action: str
    type: str
    outcomes: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Report:
    """The demo's result. `problems`: what is not as it should be; times in seconds."""

    messages: int
    incidents: int
    matched: int
    unmatched: int
    dead_letters: int
    conditions: dict[str, int]
    actions: list[ActionTotal]
    runs: dict[str, int]
    jobs_started: int
    jobs_started_twice: int
    took_s: float
    one_by_one_s: float
    interrupted: bool
    problems: list[str]

    @property
    def ok(self) -> bool:
        return not self.problems and not self.interrupted

    def as_dict(self) -> dict[str, Any]:
        """The document of `-o json`."""
        return {"ok": self.ok, **asdict(self)}


def report(
    samples: Sequence[Sample],
    sent: int,
    tally: Tally,
    runs: Sequence[Run],
    targets: Targets,
    *,
    interrupted: bool,
) -> Report:
    """Count what the journal and the stand-ins saw, and hold it against what was to be expected of `samples`.

    `sent`: how many of them were sent.
    """
    actions = list(_actions(runs))
    return Report(
        messages=sent,
        incidents=tally.incidents,
        matched=tally.matched,
        unmatched=tally.incidents - tally.matched,
        dead_letters=tally.dead_letters,
        conditions=dict(_conditions(runs)),
        actions=actions,
        runs=dict(Counter(str(run.status) for run in runs)),
        jobs_started=len(targets.jobs),
        jobs_started_twice=targets.started_twice,
        took_s=round(tally.handling_s, 3),
        one_by_one_s=round(sum(action.seconds for action in actions), 3),
        interrupted=interrupted,
        problems=[] if interrupted else list(_problems(samples, tally, runs, targets)),
    )


def seconds(run: Run) -> float:
    """How long the run took; 0 while it is open."""
    return max(0.0, run.ended_at - run.created_at) if run.ended_at is not None else 0.0


def _conditions(runs: Iterable[Run]) -> Counter[str]:
    """How many messages each condition took: every one of them left runs in the journal."""
    return Counter(
        condition for condition, *_ in {(r.condition, r.topic, r.partition, r.offset) for r in runs}
    )


def _actions(runs: Iterable[Run]) -> Iterator[ActionTotal]:
    by_action: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda each: each.created_at):
        by_action.setdefault(run.action, []).append(run)
    for action, its in by_action.items():
        outcomes = dict(Counter(str(run.status) for run in its))
        yield ActionTotal(action, its[0].action_type, outcomes, round(sum(map(seconds, its)), 3))


def _problems(
    samples: Sequence[Sample], tally: Tally, runs: Sequence[Run], targets: Targets
) -> Iterator[str]:
    poison = sum(sample.poison for sample in samples)
    acted = [run for run in runs if run.action_type == "screwdriver" and run.status is not RunStatus.SKIPPED]
    yield from _difference("incidents read", len(samples) - poison, tally.incidents)
    yield from _difference("dead letters", poison, tally.dead_letters)
    yield from _differences("messages taken by", expected_conditions(samples), _conditions(runs))
    found = Counter((run.action, str(run.status)) for run in runs)
    yield from _differences("runs of", expected_runs(samples), found)
    yield from _difference("jobs started", len(acted), len(targets.jobs))
    yield from _difference("jobs started twice", 0, targets.started_twice)


def _differences(what: str, expected: Counter[Any], found: Counter[Any]) -> Iterator[str]:
    for key in sorted({*expected, *found}):
        name = " ".join(key) if isinstance(key, tuple) else key
        yield from _difference(f"{what} {name}", expected[key], found[key])


def _difference(what: str, expected: int, found: int) -> Iterator[str]:
    if expected != found:
        yield f"{what}: {found}, but {expected} should be"
