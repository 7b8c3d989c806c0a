"""The consumer: one object, owned by the one thread that polls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from automation_consumer.clock import Clock, SystemClock
from automation_consumer.errors import UsageError
from automation_consumer.logs import get_logger
from automation_consumer.model.message import Message
from automation_consumer.sources.kafka.error_log import ErrorLog
from automation_consumer.sources.kafka.failures import (
    PARTITION_EOF,
    POLL_TOO_LATE,
    broker_error,
    cause,
    is_fatal,
)
from automation_consumer.sources.kafka.settings import (
    client_settings,
    is_incremental,
    new_consumer,
    session_timeout_s,
)
from automation_consumer.sources.kafka.start import Partition, StartAt, Starts
from automation_consumer.sources.kafka.topics import existing_topics

log = get_logger(__name__)

# Through this call, because it looks whether the client left an error behind. A header's name that is not UTF-8 makes
# `headers()` give a broken list and an error, and a plain call in a hot loop is too optimised to notice.
_headers_of: Final = methodcaller("headers")

OnPartitions = Callable[[list[Partition]], None]
OnOffsets = Callable[[dict[Partition, int]], None]

_LOOKUP_TIMEOUT_S: Final = 10.0


def _nothing(told: object) -> None:
    """The default of a callback."""


class KafkaSource:
    """Messages from Kafka for one member of a consumer group.

    The thread that calls `open` owns it: every other method must be called there (UsageError otherwise), and the
    callbacks run there, inside `poll` or `close`. librdkafka heartbeats by itself; `poll` must still be called more
    often than `max.poll.interval.ms`, also while everything is paused.

    `on_assign`: these partitions are ours from now on, and not paused. `on_revoke`: they go to another member when the
    callback returns, so commit what is finished with `commit_sync`. `on_lost`: they are gone already. `on_committed`:
    the broker has these offsets. `on_commit_failed`: a commit of these did not land. An error raised in a callback comes
    out of `poll`.

    Making it raises ConfigError when a setting is wrong; it talks to the broker only from `open` on.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topics: Sequence[str],
        start_at: StartAt,
        *,
        on_assign: OnPartitions = _nothing,
        on_revoke: OnPartitions = _nothing,
        on_lost: OnPartitions = _nothing,
        on_committed: OnOffsets = _nothing,
        on_commit_failed: OnPartitions = _nothing,
        report_ends: bool = False,
        clock: Clock | None = None,
    ) -> None:
        complete = client_settings(settings, report_ends=report_ends)
        self._topics = list(topics)
        self._incremental = is_incremental(complete)
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._on_lost = on_lost
        self._on_committed = on_committed
        self._on_commit_failed = on_commit_failed
        callbacks = {"error_cb": self._client_error, "on_commit": self._committed}
        self._consumer: Consumer = new_consumer({**complete, **callbacks})
        self.group: Final = str(complete.get("group.id", ""))
        self.session_timeout_s: Final = session_timeout_s(complete)
        self._starts = Starts(self._consumer, start_at, lambda: new_consumer(complete))
        self._owner: int | None = None
        self._closed = False
        self._mine: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._ends: dict[Partition, int] = {}
        self._began: dict[Partition, int] = {}
        self._taken_away = False
        self._fatal: KafkaError | None = None
        self._errors = ErrorLog(clock or SystemClock())

    def open(self) -> None:
        """Join the group, and make this thread the owner. Does not wait for partitions: `poll` brings them."""
        if self._owner is not None:
            raise UsageError("this source is open already")
        self._owner = threading.get_ident()
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
        except KafkaException as error:
            raise broker_error(f"cannot subscribe to {self._topics}", cause(error)) from error

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        """The next messages: waits up to `timeout_s` for one, then takes along what is there already.

        BrokerError when the client has failed for good; what passes by itself is logged.
        """
        self._check_owner()
        self._taken_away = False
        try:
            first = self._consumer.poll(timeout_s)
            rest = (
                self._consumer.consume(max_messages - 1, 0) if first is not None and max_messages > 1 else []
            )
        except KafkaException as error:
            raise broker_error("Kafka's client failed", cause(error)) from error
        came = [] if first is None else [first, *rest]
        messages = [to_message(raw) for raw in came if raw.error() is None or self._event(raw)]
        if self._fatal is not None:
            raise broker_error("Kafka's client failed for good", self._fatal)
        if self._taken_away:
            # They were fetched before the callback ran, and are another member's now.
            return [message for message in messages if (message.topic, message.partition) in self._mine]
        return messages

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Deliver nothing from these until `resume`. What was fetched ahead is fetched again then, so don't do it often."""
        self._check_owner()
        wanted = self._mine.intersection(partitions) - self._paused
        if wanted:
            self._consumer.pause(_places(wanted))
            self._paused |= wanted

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Deliver from these again."""
        self._check_owner()
        wanted = self._paused.intersection(partitions)
        if not wanted:
            return
        self._consumer.resume(_places(wanted))
        self._paused -= wanted
        # librdkafka's fetcher sleeps up to a second when everything was paused; a seek to where we are wakes it.
        try:
            for place in self._consumer.position(_places(wanted)):
                if place.offset >= 0:
                    self._consumer.seek(place)
        except KafkaException as error:
            log.debug("the fetcher was not woken: %s", error, event="kafka.seek_failed")

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offsets to read, without waiting. A later `poll` checks the result. Foreign partitions are left out."""
        self._check_owner()
        pending = self._commitable(offsets)
        if not pending:
            return
        try:
            self._consumer.commit(offsets=pending, asynchronous=True)
        except KafkaException as error:
            self._commit_failed(cause(error), [(p.topic, p.partition) for p in pending])

    def commit_sync(self, offsets: Mapping[Partition, int]) -> list[Partition]:
        """Commit and wait for the broker's answer; for `on_revoke` and before `close`. Gives the partitions that failed.

        Blocks until the broker answers, at most about a session timeout when it is gone. Neither `on_committed` nor
        `on_commit_failed` is called.
        """
        self._check_owner()
        pending = self._commitable(offsets)
        if not pending:
            return []
        try:
            answered = self._consumer.commit(offsets=pending, asynchronous=False)
        except KafkaException as error:
            failed = [(p.topic, p.partition) for p in pending]
            _log_commit_failure(cause(error), failed)
            return failed
        failed = []
        for place in answered:
            if place.error is not None:
                _log_commit_failure(place.error, [(place.topic, place.partition)])
                failed.append((place.topic, place.partition))
        return failed

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """What the broker has as the group's offsets; partitions without one are left out. Blocks for a round trip."""
        self._check_owner()
        try:
            places = self._consumer.committed(_places(partitions), timeout=_LOOKUP_TIMEOUT_S)
        except KafkaException as error:
            raise broker_error("cannot read the group's offsets", cause(error)) from error
        return {(place.topic, place.partition): place.offset for place in places if place.offset >= 0}

    def watermarks(self, partition: Partition) -> tuple[int, int] | None:
        """The lowest offset and the end of a partition as of the last fetch; None when not known yet. Does not block."""
        self._check_owner()
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return None  # not fetched from yet
        return (low, high) if high >= 0 else None

    def all_partitions(self, timeout_s: float) -> frozenset[Partition]:
        """Every partition that the topics have now, assigned or not. Blocks for a round trip.

        BrokerError when Kafka does not answer in time. When a topic has grown since the client last looked, this makes
        it join anew.
        """
        self._check_owner()
        counts = existing_topics(self._consumer, self._topics, timeout_s=timeout_s)
        return frozenset((topic, number) for topic, count in counts.items() for number in range(count))

    def end_offsets(self) -> dict[Partition, int]:
        """Where each partition of the topics ends now, assigned or not. Blocks for two round trips."""
        self._check_owner()
        counts = existing_topics(self._consumer, self._topics, timeout_s=_LOOKUP_TIMEOUT_S)
        ends = [TopicPartition(topic, n, -1) for topic, count in counts.items() for n in range(count)]
        try:
            found = self._consumer.offsets_for_times(ends, timeout=_LOOKUP_TIMEOUT_S)
        except KafkaException as error:
            raise broker_error("cannot look up where the partitions end", cause(error)) from error
        failed = [place.error for place in found if place.error is not None]
        if failed:
            raise broker_error("cannot look up where the partitions end", failed[0])
        return {(place.topic, place.partition): place.offset for place in found}

    @property
    def assignment(self) -> frozenset[Partition]:
        """The partitions that are ours."""
        return frozenset(self._mine)

    @property
    def paused(self) -> frozenset[Partition]:
        """Those of them that are paused."""
        return frozenset(self._paused)

    @property
    def began(self) -> Mapping[Partition, int]:
        """The offset at which each of them begins in this assignment: what the group had committed."""
        return self._began

    @property
    def ends_reached(self) -> Mapping[Partition, int]:
        """With `report_ends`: the offset at which each partition's end was last met. Everything before it was delivered."""
        return self._ends

    def close(self) -> None:
        """Leave the group, after `on_revoke`. May be called twice."""
        if self._closed:
            return
        if self._owner is not None:
            self._check_owner()
        try:
            self._consumer.close()
        except KafkaException as error:
            raise broker_error("cannot leave the group", cause(error)) from error
        finally:
            self._closed = True

    def _check_owner(self) -> None:
        if self._closed:
            raise UsageError("this source is closed")
        if self._owner != threading.get_ident():
            raise UsageError(
                "this source belongs to another thread" if self._owner else "this source is not open"
            )

    # Callbacks: they run on the owner's thread, inside poll() or close().

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        begun = self._starts.resolve(places)
        if self._incremental:
            consumer.incremental_assign(begun)
        else:
            consumer.assign(begun)
        partitions = [(place.topic, place.partition) for place in begun]
        # A pause outlives a rebalance, ours must not: whoever wants it paused says so in on_assign.
        consumer.resume(begun)
        self._paused.difference_update(partitions)
        self._mine.update(partitions)
        self._began.update({(place.topic, place.partition): place.offset for place in begun})
        log.info("assigned %s", _text(partitions), event="kafka.assigned", partitions=_text(partitions))
        self._on_assign(partitions)

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        partitions = [(place.topic, place.partition) for place in places]
        log.info("revoked %s", _text(partitions), event="kafka.revoked", partitions=_text(partitions))
        try:
            self._on_revoke(partitions)
        finally:
            self._forget(partitions)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        partitions = [(place.topic, place.partition) for place in places]
        log.warning("lost %s", _text(partitions), event="kafka.lost", partitions=_text(partitions))
        self._forget(partitions)
        self._on_lost(partitions)

    def _forget(self, partitions: list[Partition]) -> None:
        self._taken_away = True
        self._mine.difference_update(partitions)
        self._paused.difference_update(partitions)
        for partition in partitions:
            self._ends.pop(partition, None)
            self._began.pop(partition, None)

    def _event(self, raw: Any) -> bool:
        """Something that happened in place of a message; never one to deliver."""
        error = raw.error()
        if error is None:
            return True
        if error.code() == PARTITION_EOF:
            self._ends[raw.topic(), raw.partition()] = raw.offset()
        elif error.code() == POLL_TOO_LATE:
            log.error(
                "the consumer was not polled for max.poll.interval.ms and is put out of the group",
                event="kafka.poll_too_late",
            )
        else:
            self._client_error(error)
        return False

    def _client_error(self, error: KafkaError) -> None:
        if is_fatal(error):
            self._fatal = error  # `poll` raises it: here we may be in the middle of a call of the client
        self._errors.tell(error)

    def _commitable(self, offsets: Mapping[Partition, int]) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number, offset, metadata=self._starts.note(topic))
            for (topic, number), offset in offsets.items()
            if (topic, number) in self._mine
        ]

    def _committed(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        landed = {}
        for place in places:
            failure = place.error or error
            if failure is None:
                landed[place.topic, place.partition] = place.offset
            else:
                self._commit_failed(failure, [(place.topic, place.partition)])
        if landed:
            self._on_committed(landed)

    def _commit_failed(self, error: KafkaError, partitions: list[Partition]) -> None:
        _log_commit_failure(error, partitions)
        self._on_commit_failed(partitions)


def to_message(raw: Any) -> Message:
    """A consumed `confluent_kafka.Message` as ours; the value stays as the bytes that came.

    (Its stubs make every part optional, which holds only for messages that are being produced: hence `Any`.)
    """
    try:
        headers = _headers_of(raw)
    except SystemError as error:
        log.warning("a header's name is not UTF-8: %s", error, event="kafka.headers_unreadable")
        headers = None
    timestamp = raw.timestamp()
    return Message(
        raw.topic(),
        raw.partition(),
        raw.offset(),
        raw.value(),
        raw.key(),
        tuple(headers) if headers else (),
        timestamp[1],
    )


def _log_commit_failure(error: KafkaError, partitions: list[Partition]) -> None:
    log.warning(
        "the commit of %s failed: %s",
        _text(partitions),
        error.str(),
        event="kafka.commit_failed",
        code=error.name(),
        partitions=_text(partitions),
    )


def _places(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic, number in partitions]


def _text(partitions: Iterable[Partition]) -> str:
    return ", ".join(f"{topic}[{number}]" for topic, number in sorted(partitions)) or "nothing"
