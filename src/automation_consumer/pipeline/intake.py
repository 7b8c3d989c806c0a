"""The polling thread: takes messages, decodes and matches them, commits. It never waits for a handler."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from automation_consumer.clock import Clock
from automation_consumer.logs import get_logger
from automation_consumer.metrics import MessageResult, Metrics
from automation_consumer.model.message import Message
from automation_consumer.pipeline.commit import Offsets, Partition
from automation_consumer.pipeline.decode import Poison, decode
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.work import Taken, Tally, Work
from automation_consumer.sources.formats import Format

_log = get_logger(__name__)

BATCH = 500
POLL_S = 0.1  # how long an idle poll waits: bounds how late a commit or a stop is
COMMIT_EVERY_S = 0.5
RESUME_BELOW = 0.75  # of the limit: so that partitions don't flap


class Source(Protocol):
    """What the intake needs of a source. One thread owns it."""

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]: ...

    @property
    def assignment(self) -> frozenset[Partition]: ...

    @property
    def ends_reached(self) -> Mapping[Partition, int]: ...

    def end_offsets(self) -> dict[Partition, int]: ...

    def pause(self, partitions: Iterable[Partition]) -> None: ...

    def resume(self, partitions: Iterable[Partition]) -> None: ...

    def commit(self, offsets: Mapping[Partition, int]) -> None: ...

    def commit_sync(self, offsets: Mapping[Partition, int]) -> list[Partition]: ...

    def close(self) -> None: ...


class Intake:
    """One round after the other: note what is finished, keep the pressure bounded, poll, decode, match, commit."""

    def __init__(
        self,
        *,
        rules: Callable[[], Ruleset],
        form: Format,
        known: Callable[[str], bool],
        hand_over: Callable[[list[Work]], None],
        bury: Callable[[Taken, Poison], None],
        max_in_flight: int,
        clock: Clock,
        metrics: Metrics,
        tally: Tally,
    ) -> None:
        self._rules = rules
        self._form = form
        self._known = known
        self._hand_over = hand_over
        self._bury = bury
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._metrics = metrics
        self._unmatched = metrics.messages.labels(MessageResult.UNMATCHED)
        self._tally = tally
        self._source: Source | None = None
        self._finished: deque[Taken] = deque()  # appended to by the event loop
        self._in_hand: Counter[str] = Counter()  # incidents by the messages of theirs that are not finished
        self.offsets = Offsets()
        self._ends: dict[Partition, int] | None = None
        self.paused = False
        self._closed_to_new = False
        self._committed_at = clock.monotonic()
        self.last_round_at = clock.monotonic()
        self.joined = False
        self.in_flight = 0

    # --- called by the event loop --------------------------------------------------------------------------------

    def finish(self, taken: Taken) -> None:
        """A message is finished. Any thread; never blocks."""
        self._finished.append(taken)

    def stop_taking(self) -> None:
        """Take nothing new from now on; polling and committing go on."""
        self._closed_to_new = True

    # --- called by the source, on the polling thread -------------------------------------------------------------

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.offsets.assign(partitions)
        self._metrics.partitions_assigned.inc(len(partitions))
        self.joined = True
        self.paused = False  # the source resumes what it is given; the next round pauses again where it must

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Still ours for this moment: commit what is finished, then let go. Runs go on."""
        self._note_finished()
        due = self.offsets.due(partitions)
        if due and self._source is not None:
            self._source.commit_sync(due)
            self._tally.last_commit_at = self._clock.monotonic()
        self._forget(partitions)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Ours no longer: nothing may be committed."""
        self._forget(partitions)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self.offsets.revoke(partitions)
        self._metrics.partitions_assigned.dec(len(partitions))

    def commit_failed(self, partitions: Iterable[Partition]) -> None:
        """The broker refused an asynchronous commit: its offsets are due again."""
        self._metrics.commit_failures.inc()
        self.offsets.failed(partitions)

    # --- the polling thread --------------------------------------------------------------------------------------

    def attach(self, source: Source) -> None:
        self._source = source

    def round(self, source: Source) -> None:
        """One round. Blocks for `POLL_S` at most, when there is nothing to do."""
        self._note_finished()
        room = 0 if self._closed_to_new else self._max_in_flight - self.offsets.unfinished
        self._keep_pressure(source, room)
        messages = source.poll(max(1, min(BATCH, room)), POLL_S)
        if messages:
            self._take(messages)
        self._commit(source)
        self.in_flight = self.offsets.unfinished
        self._metrics.incidents_in_flight.set(self.in_flight)
        self.last_round_at = self._clock.monotonic()

    def caught_up(self, source: Source) -> bool:
        """Whether all that was on the topics when this was first asked is delivered and finished.

        Blocks for two round trips the first time. Offsets that are finished are committed by `finish_up` at the latest.
        """
        if not source.assignment:
            return False
        if self._ends is None:
            self._ends = source.end_offsets()
        self._note_finished()
        mine, reached = source.assignment, source.ends_reached
        # The end is also met where the last offsets are no messages (transaction marks), so both are asked.
        delivered = all(
            max(self.offsets.arrived(partition), reached.get(partition, -1)) >= end
            for partition, end in self._ends.items()
            if partition in mine
        )
        return delivered and self.offsets.unfinished == 0

    def finish_up(self, source: Source) -> None:
        """Commit what is finished and leave the group. Blocks."""
        self._note_finished()
        due = self.offsets.due()
        if due:
            source.commit_sync(due)
            self._tally.last_commit_at = self._clock.monotonic()
        source.close()

    def _note_finished(self) -> None:
        while self._finished:
            taken = self._finished.popleft()
            message = taken.message
            for incident_id in taken.incidents:
                self._in_hand[incident_id] -= 1
                if not self._in_hand[incident_id]:
                    del self._in_hand[incident_id]
            self.offsets.finish((message.topic, message.partition), taken.epoch, message.offset)

    def _keep_pressure(self, source: Source, room: int) -> None:
        """Full means paused partitions, never a dropped message."""
        if room <= 0 and not self.paused:
            source.pause(source.assignment)
            self.paused = True
            _log.debug("paused: %d messages in flight", self.offsets.unfinished, event="intake.paused")
        elif self.paused and room > self._max_in_flight * (1 - RESUME_BELOW):
            source.resume(source.assignment)
            self.paused = False
            _log.debug("resumed", event="intake.resumed")
        self._metrics.partitions_paused.set(len(source.assignment) if self.paused else 0)

    def _take(self, messages: list[Message]) -> None:
        if self._tally.first_message_at is None:
            self._tally.first_message_at = self._clock.monotonic()
        ruleset, now = self._rules(), self._clock.now()
        works: list[Work] = []
        unmatched = 0
        for message in messages:
            found = self._read(message, ruleset, now)
            if found:
                works.extend(found)
            else:
                unmatched += 1
        if unmatched:
            self._unmatched.inc(unmatched)
        if works:
            self._hand_over(works)

    def _read(self, message: Message, ruleset: Ruleset, now: float) -> list[Work] | None:
        """The work in a message; None when it needs none. Poison is buried here. The hot path of the process."""
        partition = (message.topic, message.partition)
        progress = self.offsets.progress(partition)
        incidents = decode(self._form, message)
        if isinstance(incidents, Poison):
            progress.take(message.offset)
            self._tally.dead_letters += 1
            self._bury(Taken(message, self.offsets.epoch(partition), 1), incidents)
            return None
        found = []
        for incident in incidents:
            self._tally.incidents += 1
            matches = ruleset.conditions.match(incident, now)
            if matches or incident.id in self._in_hand or self._known(incident.id):
                found.append((incident, tuple(matches)))
        if not found:
            progress.skip(message.offset)
            return None
        progress.take(message.offset)
        ids = tuple(incident.id for incident, _ in found)
        self._in_hand.update(ids)
        taken = Taken(message, self.offsets.epoch(partition), len(found), ids)
        return [Work(taken, incident, matches, ruleset) for incident, matches in found]

    def _commit(self, source: Source) -> None:
        now = self._clock.monotonic()
        if now - self._committed_at < COMMIT_EVERY_S:
            return
        self._committed_at = now
        due = self.offsets.due()
        if due:
            source.commit(due)
            self.offsets.committed(due)
            self._tally.last_commit_at = now
