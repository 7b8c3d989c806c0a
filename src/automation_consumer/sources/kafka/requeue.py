"""Sends dead letters back to where they came from, each of them once.

The message and a mark that its letter was requeued are written in one transaction, and the marks are read after
every earlier requeue has been put out. So whatever breaks, and whoever else does the same at the same moment, a letter
that has a mark was sent, and one that has none was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from automation_consumer.clock import Clock
from automation_consumer.errors import PermanentError, UsageError
from automation_consumer.integrations.kafka_transactions import Outgoing, TransactionalProducer
from automation_consumer.sources.kafka.dead_letter_topic import DeadLetterTopic
from automation_consumer.sources.kafka.dead_letters import (
    DeadLetter,
    LetterId,
    RequeueMark,
    read,
    requeue_mark,
    requeued,
)

_BATCH_RECORDS: Final = 200
_BATCH_BYTES: Final = 4_000_000


class Result(StrEnum):
    """What became of a letter that was to be requeued."""

    REQUEUED = "requeued"  # its message is on its topic again; in a dry run: would be
    SKIPPED = "skipped"  # it was requeued before
    REFUSED = "refused"  # it cannot be: it is not there, or not whole, or its topic is gone


class Selection(msgspec.Struct, frozen=True):
    """Which letters; what is None or empty does not matter. Times are milliseconds since the epoch."""

    ids: frozenset[LetterId] = frozenset()
    reason: str | None = None
    topic: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, letter: DeadLetter) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and self.reason in (None, letter.reason)
            and self.topic in (None, letter.topic)
            and (self.since_ms is None or letter.written_ms >= self.since_ms)
            and (self.until_ms is None or letter.written_ms < self.until_ms)
        )

    @property
    def starts(self) -> dict[int, int] | None:
        """Where they can stand at the earliest, by partition; None when that may be anywhere."""
        if not self.ids:
            return None
        starts: dict[int, int] = {}
        for each in self.ids:
            starts[each.partition] = min(each.offset, starts.get(each.partition, each.offset))
        return starts


class Told(msgspec.Struct, frozen=True):
    """What became of one letter. `place` is where its message was, `why` says why it was not sent."""

    id: LetterId
    result: Result
    place: str = ""
    why: str = ""


class Requeue:
    """One go of requeueing. For one thread. `dry_run` decides and sends nothing.

    Making it puts out every other that works on the same dead-letter topic; it blocks. BrokerError when the broker
    does not let us; UsageError when messages could not be processed once.
    """

    def __init__(
        self, settings: Mapping[str, Any], topic: DeadLetterTopic, clock: Clock, *, dry_run: bool = False
    ) -> None:
        if str(settings.get("isolation.level", "")).lower() == "read_uncommitted":
            raise UsageError(
                "the service reads with isolation.level read_uncommitted, so it also sees what was taken back",
                hint="take that line out of the kafka section",
            )
        self._topic = topic
        self._clock = clock
        self._sender: TransactionalProducer | None = None
        if not dry_run:
            # The size was good once: the topic's own limit decides, not ours.
            whole = {**settings, "message.max.bytes": 1_000_000_000}
            self._sender = TransactionalProducer(whole, f"automation-consumer.requeue.{topic.name}")

    def run(self, selection: Selection, *, again: bool = False, limit: int | None = None) -> Iterator[Told]:
        """Requeue what is selected, the oldest first within each partition, at most `limit`; tells each when it is done.

        `again`: also what was requeued before. Blocks. ActionError or BrokerError when it can't go on: what it has
        told is done, of the rest a later go finds out.
        """
        chosen, skipped = self._choose(selection, again)
        yield from skipped
        for each in sorted(selection.ids - chosen.keys() - {told.id for told in skipped}):
            yield Told(each, Result.REFUSED, why="there is no such letter, or the filters leave it out")
        oldest = sorted(chosen, key=lambda each: (chosen[each], each))[:limit]
        yield from self._requeue(set(oldest))

    def close(self) -> None:
        """Blocks for a moment."""
        if self._sender is not None:
            self._sender.close()

    def _choose(self, selection: Selection, again: bool) -> tuple[dict[LetterId, int], list[Told]]:
        """What is to be sent, with the time at which its letter was written; and what was sent before."""
        found: dict[LetterId, int] = {}
        marks: dict[LetterId, str] = {}
        places: dict[LetterId, str] = {}
        for record in self._topic.records(selection.starts):
            each = read(record)
            if isinstance(each, RequeueMark):
                marks[each.letter] = each.at
            elif selection.takes(each):
                found[each.id] = each.written_ms
                places[each.id] = each.place
        if again:
            return found, []
        before = sorted(found.keys() & marks.keys())
        skipped = [
            Told(each, Result.SKIPPED, places[each], f"it was requeued at {marks[each]}") for each in before
        ]
        return {each: at for each, at in found.items() if each not in marks}, skipped

    def _requeue(self, chosen: set[LetterId]) -> Iterator[Told]:
        counts = self._topic.partition_counts()
        batch: list[DeadLetter] = []
        left = set(chosen)
        for letter in self._letters(left):
            why = _obstacle(letter, counts)
            if why is not None:
                yield Told(letter.id, Result.REFUSED, letter.place, why)
                continue
            batch.append(letter)
            if len(batch) >= _BATCH_RECORDS or sum(len(each.value or b"") for each in batch) > _BATCH_BYTES:
                yield from self._send(batch, counts)
                batch = []
        yield from self._send(batch, counts)
        for each in sorted(left):
            yield Told(each, Result.REFUSED, why="it was deleted from the dead-letter topic meanwhile")

    def _letters(self, left: set[LetterId]) -> Iterator[DeadLetter]:
        """They are read a second time, so that a million of them need not be in memory. Takes them out of `left`."""
        if not left:
            return
        for record in self._topic.records(Selection(ids=frozenset(left)).starts):
            each = LetterId(record.partition, record.offset)
            if each in left:
                left.remove(each)
                letter = read(record)
                assert isinstance(letter, DeadLetter)
                yield letter
            if not left:
                return

    def _send(self, batch: list[DeadLetter], counts: Mapping[str, int]) -> Iterator[Told]:
        if self._sender is not None and batch:
            try:
                self._sender.send([record for letter in batch for record in self._records(letter, counts)])
            except PermanentError as error:
                if len(batch) == 1:
                    yield Told(batch[0].id, Result.REFUSED, batch[0].place, str(error))
                    return
                for letter in batch:  # one of them is refused: which?
                    yield from self._send([letter], counts)
                return
        for letter in batch:
            yield Told(letter.id, Result.REQUEUED, letter.place)

    def _records(self, letter: DeadLetter, counts: Mapping[str, int]) -> tuple[Outgoing, Outgoing]:
        assert letter.topic is not None
        message = requeued(letter, self._topic.name)
        mark = requeue_mark(letter.id, self._clock.now())
        # Its own partition: messages of one key stay in order, whichever client chose the partition at first.
        known = letter.partition is not None and letter.partition < counts[letter.topic]
        partition = letter.partition if known else None
        return (
            Outgoing(letter.topic, message.value, message.key, message.headers, partition),
            Outgoing(self._topic.name, mark.value, mark.key, mark.headers, letter.id.partition),
        )


def _obstacle(letter: DeadLetter, counts: Mapping[str, int]) -> str | None:
    """Why a letter cannot be requeued."""
    if letter.topic is None:
        return "the letter does not say which topic it came from"
    if letter.topic not in counts:
        return f"there is no topic {letter.topic} any more, or this user may not see it"
    if letter.cut:
        return (
            f"it is not whole ({', '.join(letter.cut)}): the message was too large for the dead-letter topic; "
            f"as long as the topic keeps it, it is at {letter.place}"
        )
    return None
