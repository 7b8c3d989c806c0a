"""What the intake needs of a source of messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from automation_consumer.model.message import Message
from automation_consumer.pipeline.commit import Partition


class Source(Protocol):
    """A member of a consumer group. One thread owns it. BrokerError where a call needs an answer and gets none."""

    @property
    def group(self) -> str:
        """The name of the consumer group."""

    @property
    def session_timeout_s(self) -> float:
        """How long the group waits before a member that was killed is missed, in seconds."""

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        """The next messages; waits up to `timeout_s` for the first."""

    @property
    def assignment(self) -> frozenset[Partition]:
        """The partitions that are ours."""

    @property
    def began(self) -> Mapping[Partition, int]:
        """Where each of them begins in this assignment: what the group had committed."""

    @property
    def ends_reached(self) -> Mapping[Partition, int]:
        """The offset at which each partition's end was last met."""

    def watermarks(self, partition: Partition) -> tuple[int, int] | None:
        """The lowest offset and the end as of the last fetch; None when not known. Does not block."""

    def end_offsets(self) -> dict[Partition, int]:
        """Where each partition of the topics ends now. Blocks."""

    def all_partitions(self, timeout_s: float) -> frozenset[Partition]:
        """Every partition that the topics have now, assigned or not. Blocks for `timeout_s` at most."""

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Deliver nothing from these until `resume`."""

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Deliver from these again."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offsets to read, without waiting for the answer."""

    def commit_sync(self, offsets: Mapping[Partition, int]) -> list[Partition]:
        """The same, with the answer: the partitions that failed. Blocks."""

    def close(self) -> None:
        """Leave the group."""
