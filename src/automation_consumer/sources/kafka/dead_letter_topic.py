"""Reads the dead-letter topic from end to end, beside whoever else reads it: no group, nothing committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from automation_consumer.clock import Clock, SystemClock
from automation_consumer.errors import BrokerError
from automation_consumer.model.message import Message
from automation_consumer.sources.kafka.failures import PARTITION_EOF, broker_error, cause
from automation_consumer.sources.kafka.settings import client_settings, new_consumer
from automation_consumer.sources.kafka.source import to_message
from automation_consumer.sources.kafka.topics import check_topics

Offsets = Mapping[int, int]
"""Offsets by partition."""

_BATCH: Final = 500
_POLL_S: Final = 0.2
_TIMEOUT_S: Final = 10.0
_PATIENCE_S: Final = 30.0  # without a single record


class DeadLetterTopic:
    """The records of one topic. For one thread; use it in a `with` block.

    Making it blocks up to ten seconds: BrokerError when no broker answers or the topic is not there, ConfigError when a
    setting is wrong. `progress` is told how many records of how many were read, after each batch.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        *,
        progress: Callable[[int, int], None] = lambda read, of: None,
        clock: Clock | None = None,
    ) -> None:
        self.name = topic
        self._clock = clock or SystemClock()
        self._progress = progress
        check_topics(settings, [topic], timeout_s=_TIMEOUT_S, key="kafka.dead_letter_topic")
        complete = client_settings(settings, report_ends=True)
        complete.pop("group.instance.id", None)  # the service's
        # What a transaction did not bring to its end was never there.
        self._consumer: Consumer = new_consumer({**complete, "isolation.level": "read_committed"})

    def __enter__(self) -> DeadLetterTopic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def partition_counts(self) -> dict[str, int]:
        """Every topic that we may see, with its number of partitions. Blocks for a round trip."""
        try:
            known = self._consumer.list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            raise broker_error("cannot list the topics", cause(error)) from error
        return {name: len(topic.partitions) for name, topic in known.items()}

    def records(self, starts: Offsets | None = None) -> Iterator[Message]:
        """What is on the topic now, partition by partition in order; what is written meanwhile is left out.

        `starts`: only these partitions, from these offsets on. Blocks between records; BrokerError when Kafka falls
        silent for half a minute.
        """
        spans = self._spans(starts)
        todo = {partition: end for partition, (begin, end) in spans.items() if begin < end}
        total = sum(end - spans[partition][0] for partition, end in todo.items())
        if not todo:
            return
        self._assign({partition: spans[partition][0] for partition in todo})
        done = 0
        heard_at = self._clock.monotonic()
        while todo:
            batch = self._batch()
            now = self._clock.monotonic()
            heard_at = now if batch else heard_at
            if now - heard_at > _PATIENCE_S:
                raise BrokerError(
                    f"Kafka has sent nothing of {self.name} for {_PATIENCE_S:g} s, though there is more",
                    hint="is the broker that leads these partitions up?",
                )
            for partition, offset, message in batch:
                end = todo.get(partition)
                if end is None:
                    continue
                if message is not None and offset < end:
                    done += 1
                    yield message
                if message is None or offset >= end - 1:
                    del todo[partition]
            self._progress(done, total)

    def _batch(self) -> list[tuple[int, int, Message | None]]:
        """Partition, offset and message; without a message it is the partition's end."""
        try:
            raws = self._consumer.consume(_BATCH, _POLL_S)
        except KafkaException as error:
            raise broker_error(f"cannot read {self.name}", cause(error)) from error
        return [event for raw in raws if (event := self._event(raw)) is not None]

    def _event(self, raw: Any) -> tuple[int, int, Message | None] | None:
        failed = raw.error()
        if failed is None:
            return raw.partition(), raw.offset(), to_message(raw)
        if failed.code() == PARTITION_EOF:
            return raw.partition(), raw.offset(), None
        if failed.retriable():
            return None  # the client goes on by itself
        raise broker_error(f"cannot read {self.name}", failed)

    def _spans(self, starts: Offsets | None) -> dict[int, tuple[int, int]]:
        """Where to begin and to end in each partition."""
        count = self.partition_counts().get(self.name, 0)
        wanted = dict.fromkeys(range(count), 0) if starts is None else starts
        spans: dict[int, tuple[int, int]] = {}
        for partition, start in wanted.items():
            if partition >= count:
                continue
            try:
                low, end = self._consumer.get_watermark_offsets(
                    TopicPartition(self.name, partition), timeout=_TIMEOUT_S
                )
            except KafkaException as error:
                raise broker_error(
                    f"cannot look up where {self.name}[{partition}] ends", cause(error)
                ) from error
            spans[partition] = (max(low, start), end)
        return spans

    def _assign(self, begins: Offsets) -> None:
        places = [TopicPartition(self.name, partition, offset) for partition, offset in begins.items()]
        try:
            self._consumer.assign(places)
        except KafkaException as error:
            raise broker_error(f"cannot read {self.name}", cause(error)) from error
