"""Where a partition begins when it is assigned: at the group's committed offset, or where a new group starts.

A start that was looked up is committed at once. Otherwise a group that starts at the end, and is killed before its
first commit, would start at the end again and skip what came meanwhile.

Every commit carries the topic's number of partitions. So a partition that was added to the topic later is known as
such, and is read from its beginning: the group is not new, only the partition is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from automation_consumer.errors import BrokerError, ConfigError
from automation_consumer.logs import get_logger
from automation_consumer.sources.kafka.failures import broker_error, cause

log = get_logger(__name__)

Partition = tuple[str, int]

_LOOKUP_TIMEOUT_S: Final = 10.0
_LOOKUP_ATTEMPTS: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTE: Final = re.compile(r"^partitions=(\d{1,9})$")

# The times that stand for the two ends in Kafka's own protocol (ListOffsets).
_LATEST: Final = -1
_EARLIEST: Final = -2


@dataclass(frozen=True, slots=True)
class StartAt:
    """Where a new group begins. `time_ms`: milliseconds since the epoch, or one of the protocol's two ends."""

    time_ms: int

    @classmethod
    def parse(cls, text: str) -> StartAt:
        """`earliest`, `latest` or an ISO 8601 time (UTC unless it names an offset). ConfigError for anything else."""
        if text in ("earliest", "latest"):
            return cls(_EARLIEST if text == "earliest" else _LATEST)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise ConfigError(
                f"kafka.start_at: {text!r} is not a start",
                hint="write latest, earliest, or an ISO 8601 time such as 2026-01-31T08:00:00Z",
            ) from error
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        milliseconds = (instant - _EPOCH) // timedelta(milliseconds=1)
        if milliseconds < 0:
            raise ConfigError(f"kafka.start_at: {text!r} is before 1970")
        return cls(milliseconds)


class Starts:
    """Looks up where assigned partitions begin. Used inside the assign callback: blocks for some round trips.

    `ask` makes another client, for the metadata: a consumer that is asked for it inside one of its callbacks aborts the
    process when it has a second callback to call (confluent-kafka 2.16 forgets the state of the call around it).
    """

    def __init__(self, consumer: Consumer, start_at: StartAt, ask: Callable[[], Consumer]) -> None:
        self._consumer = consumer
        self._ask = ask
        self._start_at = start_at
        self._counts: dict[str, int] = {}

    def note(self, topic: str) -> str:
        """The metadata that a commit for this topic carries."""
        count = self._counts.get(topic)
        return f"partitions={count}" if count else ""

    def resolve(self, assigned: Sequence[TopicPartition]) -> list[TopicPartition]:
        """The same partitions with the offset that each begins at. BrokerError when Kafka does not answer."""
        if not assigned:
            return []
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._resolve(assigned)
            except KafkaException as error:
                log.warning(
                    "cannot look up where the partitions begin: %s",
                    cause(error).str(),
                    event="kafka.start_lookup_failed",
                    attempt=attempt,
                )
                if attempt == _LOOKUP_ATTEMPTS:
                    raise broker_error("cannot look up where the partitions begin", cause(error)) from error

    def _resolve(self, assigned: Sequence[TopicPartition]) -> list[TopicPartition]:
        topics = {partition.topic for partition in assigned}
        with closing(self._ask()) as client:
            for topic in topics:
                known = client.list_topics(topic, timeout=_LOOKUP_TIMEOUT_S).topics[topic]
                self._counts[topic] = len(known.partitions)
        everything = [TopicPartition(topic, n) for topic in topics for n in range(self._counts[topic])]
        committed = _checked(self._consumer.committed(everything, timeout=_LOOKUP_TIMEOUT_S))
        places = {(place.topic, place.partition): place for place in committed if place.offset >= 0}
        mine = [(partition.topic, partition.partition) for partition in assigned]
        added = {place for place in mine if place not in places and place[1] >= _counted(place[0], committed)}
        new = [place for place in mine if place not in places and place not in added]
        begun = [
            *self._look_up(new, self._start_at.time_ms),
            *self._look_up(sorted(added), _EARLIEST),
        ]
        self._pin(begun)
        return [*(places[place] for place in mine if place in places), *begun]

    def _look_up(self, partitions: Sequence[Partition], time_ms: int) -> list[TopicPartition]:
        if not partitions:
            return []
        asked = [TopicPartition(topic, partition, time_ms) for topic, partition in partitions]
        found = _checked(self._consumer.offsets_for_times(asked, timeout=_LOOKUP_TIMEOUT_S))
        # A time after the last message has no offset: that is the end, and must become a number to be committed.
        late = [(place.topic, place.partition) for place in found if place.offset < 0]
        if late and time_ms == _LATEST:
            raise BrokerError(f"Kafka does not say where {late} end")
        return [*(place for place in found if place.offset >= 0), *self._look_up(late, _LATEST)]

    def _pin(self, begun: Sequence[TopicPartition]) -> None:
        if not begun:
            return
        for place in begun:
            log.info(
                "%s[%d] has no committed offset; it begins at %d",
                place.topic,
                place.partition,
                place.offset,
                event="kafka.start",
            )
        pins = [TopicPartition(p.topic, p.partition, p.offset, metadata=self.note(p.topic)) for p in begun]
        try:
            _checked(self._consumer.commit(offsets=pins, asynchronous=False))
        except KafkaException as error:
            log.warning(
                "the start could not be committed (%s); a restart before the first commit would start anew",
                cause(error).str(),
                event="kafka.start_not_committed",
            )


def _counted(topic: str, committed: Sequence[TopicPartition]) -> float:
    """How many partitions the topic had when the group last committed; infinite when the group is new or never said."""
    notes = [_NOTE.match(place.metadata or "") for place in committed if place.topic == topic]
    return max((int(note[1]) for note in notes if note), default=float("inf"))


def _checked(partitions: list[TopicPartition]) -> list[TopicPartition]:
    for partition in partitions:
        error: KafkaError | None = partition.error
        if error is not None:
            raise KafkaException(error)
    return partitions
