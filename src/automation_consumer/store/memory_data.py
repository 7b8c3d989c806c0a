"""What the processes of a memory journal share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from automation_consumer.model.message import Message
from automation_consumer.model.run import Run, RunChange
from automation_consumer.model.switch import Request, Switch
from automation_consumer.store.places import Place, place


class Lease(Enum):
    """What is known of a process."""

    HELD = auto()  # it runs
    LAPSED = auto()  # it has not been heard of for long, but may wake up
    GONE = auto()  # proven


@dataclass
class Kept:
    """A message in hand, or finished."""

    message: Message
    owner: int
    taken_at: float
    finished: bool = False
    remembered: bool = False  # finished beyond the committed offset
    bytes_kept: bool = False
    incidents: tuple[str, ...] = ()  # of one that waits and has no runs yet


@dataclass
class Wanted:
    """A request, who has taken it, and the answer."""

    request: Request
    taker: int | None = None
    text: str | None = None


class Data:
    """The tables."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.changes: dict[str, list[RunChange]] = {}
        self.places: dict[str, Place] = {}
        self.incidents: set[str] = set()
        self.past: set[str] = set()  # ids of runs of an earlier activation
        self.inactive: set[str] = set()
        self.messages: dict[Place, Kept] = {}
        self.locks: dict[str, tuple[str, int]] = {}
        self.switches: dict[str, Switch] = {}
        self.wishes: dict[str, Wanted] = {}
        self.unannounced: set[str] = set()
        self.leases: dict[int, Lease] = {}
        self.reachable = asyncio.Event()
        self.reachable.set()

    def join(self) -> int:
        number = len(self.leases) + 1
        self.leases[number] = Lease.HELD
        return number

    def hold(self, message: Message, process: int, at: float) -> None:
        """The message is in hand of this process, unless another one that lives has it."""
        where = place(message)
        kept = self.messages.get(where)
        if kept is None:
            self.messages[where] = Kept(message, process, at)
        elif kept.finished or self.leases[kept.owner] is not Lease.HELD:
            self.messages[where] = Kept(message, process, kept.taken_at)

    def sorted(self) -> list[Run]:
        return sorted(self.runs.values(), key=lambda run: run.created_at)

    def prune(self, before: float) -> int:
        old = [
            run
            for run in self.runs.values()
            if run.ended
            and (run.ended_at or run.created_at) < before
            and run.id not in self.unannounced
            and (run.id in self.past or run.incident_id in self.inactive)
        ]
        for run in old:
            del self.runs[run.id], self.changes[run.id]
            self.places.pop(run.id, None)
            self.past.discard(run.id)
        self.incidents = {run.incident_id for run in self.runs.values()}
        self.inactive &= self.incidents
        for where, kept in list(self.messages.items()):
            if kept.finished and kept.taken_at < before:
                del self.messages[where]
        return len(old)


def is_earlier(one: Place, other: Place) -> bool:
    """Whether a message comes before another: by offset in one partition, else by time."""
    if (one.topic, one.partition) == (other.topic, other.partition):
        return one.offset < other.offset
    mine = (one.timestamp_ms, one.topic, one.partition)
    return mine < (other.timestamp_ms, other.topic, other.partition)
