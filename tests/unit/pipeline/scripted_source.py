"""A source that a test fills: it keeps the intake's `Source` protocol and notes what was asked of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping

import orjson

from automation_consumer.errors import BrokerError
from automation_consumer.model.message import Message
from automation_consumer.pipeline.commit import Partition

P0: Partition = ("incidents", 0)
P1: Partition = ("incidents", 1)


class ScriptedSource:
    """Gives what was put, except of partitions that are paused. Offsets of each partition count from 0."""

    def __init__(self, *partitions: Partition) -> None:
        self._queues: dict[Partition, deque[Message]] = {each: deque() for each in partitions or (P0,)}
        self._next = dict.fromkeys(self._queues, 0)
        self._reached: dict[Partition, int] = {}
        self._ends = dict.fromkeys(self._queues, 0)
        self._paused: set[Partition] = set()
        self.commits: list[dict[Partition, int]] = []
        self.sync_commits: list[dict[Partition, int]] = []
        self.asked: list[int] = []
        self.closed = False
        self.group = "pods"
        self.session_timeout_s = 10.0
        self.elsewhere: set[Partition] = set()
        """Partitions that another member of the group has."""
        self.silent = False
        """Whether the broker does not answer."""
        self.refused: set[Partition] = set()
        """Partitions whose next synchronous commit fails."""

    def add(self, partition: Partition) -> None:
        """A partition more is ours; it begins at 0, or goes on where it was."""
        self._queues.setdefault(partition, deque())
        self._next.setdefault(partition, 0)
        self._ends.setdefault(partition, 0)
        self._paused.discard(partition)

    def drop(self, partition: Partition) -> None:
        """It is another member's now."""
        del self._queues[partition]
        self._paused.discard(partition)
        self.elsewhere.add(partition)

    def put(self, value: bytes | None, partition: Partition = P0) -> Message:
        offset = self._next[partition]
        self._next[partition] = self._ends[partition] = offset + 1
        message = Message(partition[0], partition[1], offset, value)
        self._queues[partition].append(message)
        return message

    # --- the protocol ------------------------------------------------------------------------------------------

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        self.asked.append(max_messages)
        found: list[Message] = []
        for partition, queue in self._queues.items():
            while partition not in self._paused and queue and len(found) < max_messages:
                found.append(queue.popleft())
                self._reached[partition] = found[-1].offset + 1
            if not queue and not self._ends[partition]:
                self._reached[partition] = 0
        if not found:
            time.sleep(0.001)  # a poll that finds nothing waits; the loop that tests run on needs its turn
        return found

    @property
    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._queues)

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused & self._queues.keys())

    @property
    def began(self) -> Mapping[Partition, int]:
        return dict.fromkeys(self._queues, 0)

    def watermarks(self, partition: Partition) -> tuple[int, int] | None:
        return (0, self._ends[partition]) if partition in self._ends else None

    def all_partitions(self, timeout_s: float) -> frozenset[Partition]:
        if self.silent:
            raise BrokerError("no answer")
        return self.assignment | self.elsewhere

    @property
    def ends_reached(self) -> Mapping[Partition, int]:
        return dict(self._reached)

    def end_offsets(self) -> dict[Partition, int]:
        return dict(self._ends)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused |= set(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused -= set(partitions)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        self.commits.append(dict(offsets))

    def commit_sync(self, offsets: Mapping[Partition, int]) -> list[Partition]:
        self.sync_commits.append(dict(offsets))
        refused, self.refused = self.refused, set()
        return [each for each in offsets if each in refused]

    def close(self) -> None:
        self.closed = True


def an_event(incident_id: str, status: str = "critical") -> bytes:
    """A message of the bigpanda format, with one alert."""
    return orjson.dumps(
        {
            "id": incident_id,
            "status": status,
            "active": status != "ok",
            "alerts": [
                {"id": f"{incident_id}-a", "status": status, "tags": [{"name": "host", "value": "web1"}]}
            ],
        }
    )
