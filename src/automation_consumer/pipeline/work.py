"""What the polling thread hands to the event loop, and what comes back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from automation_consumer.model.incident import Incident
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run
from automation_consumer.model.switch import Request
from automation_consumer.pipeline.ruleset import Ruleset

NO_EPOCH = -1
"""Of a message that no assignment brought: it came from the journal."""


@dataclass(slots=True, eq=False)
class Taken:
    """A message that is not finished: how many of its incidents are still being handled."""

    message: Message
    epoch: int
    left: int
    incidents: tuple[str, ...] = ()
    """The ids of its incidents: while it is in hand, what is told of them later must not be overlooked."""
    recovered: bool = False
    """Whether it came from the journal: an earlier process, or one that is gone, had left it."""
    begun: bool = False
    """Whether one of its incidents has been handled here, at least in part: then all of them are."""
    parked: bool = False
    """Whether it counts as finished for Kafka: a run of it waits for long, and the journal has it all."""
    done: bool = False
    """Whether all of its incidents have been handled, not merely let go."""
    keep: bool = False
    """Whether a run of it ended so that somebody may want it tried again."""


@dataclass(frozen=True, slots=True)
class Work:
    """One incident of a message to be handled under one ruleset. Without matches it only tells of the incident's state."""

    taken: Taken
    incident: Incident
    matches: tuple[Match, ...]
    ruleset: Ruleset
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """An operator's wish: this run again, and what would have followed it."""

    run: Run
    request: Request


@dataclass(slots=True)
class Tally:
    """What went through since the start: for `--once`, the demo and the benchmarks."""

    incidents: int = 0
    matched: int = 0
    dead_letters: int = 0
    conditions: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    cut_off: bool = False
    """Whether the stop left a call behind that had not ended."""
    first_message_at: float | None = None
    last_commit_at: float | None = None

    @property
    def handling_s(self) -> float:
        """Seconds from the first message to the last commit."""
        if self.first_message_at is None or self.last_commit_at is None:
            return 0.0
        return max(0.0, self.last_commit_at - self.first_message_at)
