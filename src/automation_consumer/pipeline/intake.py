"""The polling thread: takes messages, decodes and matches them, commits. It never waits for a handler."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from automation_consumer.clock import Clock
from automation_consumer.errors import BrokerError, StoreError, UsageError
from automation_consumer.logs import get_logger
from automation_consumer.metrics import MessageResult, Metrics
from automation_consumer.model.message import Message
from automation_consumer.pipeline.commit import Offsets, Partition, PartitionProgress
from automation_consumer.pipeline.decode import Poison, decode
from automation_consumer.pipeline.holds import Holds
from automation_consumer.pipeline.lag import Lag
from automation_consumer.pipeline.poison_guard import PoisonGuard
from automation_consumer.pipeline.pressure import Pressure
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.sole_member import SoleMember
from automation_consumer.pipeline.source import Source
from automation_consumer.pipeline.work import Taken, Tally, Work
from automation_consumer.sources.formats import Format
from automation_consumer.store.journal import Journal

_log = get_logger(__name__)

POLL_S = 0.1  # how long an idle poll waits: bounds how late a commit or a stop is
COMMIT_EVERY_S = 0.5

JOURNAL_HOLD = "journal"  # the database does not answer: nothing could be written before it acts
SOLE_MEMBER_HOLD = "sole-member"  # another member has partitions, and the journal cannot be shared
POISON_HOLD = "poison"  # too much of what came was poison


class Intake:
    """One round after the other: note what is finished, keep the pressure bounded, poll, decode, match, commit.

    `exclusive`: nothing is taken unless every partition of the topics is ours (the journal cannot be shared).
    `guard` watches for a flood of poison; when it trips, nothing is taken until `release_poison`, and `on_tripped` is
    called once with what it saw, on the polling thread.
    """

    def __init__(
        self,
        *,
        rules: Callable[[], Ruleset],
        form: Format,
        journal: Journal,
        hand_over: Callable[[list[Work]], None],
        bury: Callable[[Taken, Poison], None],
        max_in_flight: int,
        clock: Clock,
        metrics: Metrics,
        tally: Tally,
        exclusive: bool = False,
        guard: PoisonGuard | None = None,
        on_tripped: Callable[[str], None] | None = None,
    ) -> None:
        self._rules = rules
        self._form = form
        self._journal = journal
        self._knows = journal.knows
        self._hand_over = hand_over
        self._bury = bury
        self._clock = clock
        self._metrics = metrics
        self._unmatched = metrics.messages.labels(MessageResult.UNMATCHED)
        self._remembered = metrics.messages.labels(MessageResult.REMEMBERED)
        self._tally = tally
        self._guard = guard
        self._on_tripped = on_tripped
        self._source: Source | None = None
        self._finished: deque[Taken] = deque()  # appended to by the event loop, as are those that are parked
        self._parked: deque[Taken] = deque()
        self._in_hand: Counter[str] = Counter()  # incidents by the messages of theirs that are not finished
        # Messages that are neither finished nor parked, also those of partitions that have gone: they are memory.
        self._unfinished: set[tuple[Partition, int, int]] = set()
        self.offsets = Offsets()
        self._pressure = Pressure(max_in_flight)
        self._holds = Holds()
        self._sole = SoleMember(clock) if exclusive else None
        self._lag = Lag(metrics, clock)
        self._to_recall: set[Partition] = set()
        self._ends: dict[Partition, int] | None = None
        self._closed_to_new = False
        self._leaving = False
        self._release_poison = False
        self._committed_at = clock.monotonic()
        self.last_round_at = clock.monotonic()
        self.joined = False
        self.in_flight = 0

    # --- for any thread; none of them blocks ---------------------------------------------------------------------

    def finish(self, taken: Taken) -> None:
        """A message is finished."""
        self._finished.append(taken)

    def park(self, taken: Taken) -> None:
        """A message need not hold its offset, nor room: the journal has all that is left of it. `finish` may follow."""
        self._parked.append(taken)

    def is_current(self, taken: Taken) -> bool:
        """Whether the assignment under which the message was taken still stands."""
        message = taken.message
        return self.offsets.is_current((message.topic, message.partition), taken.epoch)

    def hold(self, reason: str, on: bool) -> None:
        """While any reason is on nothing is taken; polling and committing go on."""
        self._holds.hold(reason, on)

    @property
    def held(self) -> tuple[str, ...]:
        """The reasons for which nothing is taken, sorted."""
        return self._holds.reasons

    def release_poison(self) -> None:
        """An operator has looked at the flood of poison: take messages again, and count anew."""
        self._release_poison = True

    def stop_taking(self) -> None:
        """Take nothing new from now on; polling and committing go on."""
        self._closed_to_new = True

    @property
    def paused(self) -> bool:
        """Whether a partition is paused: it has its share in flight, or nothing is taken."""
        return bool(self._pressure.paused)

    # --- called by the source, on the polling thread -------------------------------------------------------------

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.offsets.assign(partitions)
        self._metrics.partitions_assigned.inc(len(partitions))
        self.joined = True
        self._pressure.forget(partitions)  # the source lets run what it is given
        self._to_recall.update(partitions)
        if self._sole is not None:
            self._sole.changed()
            self._holds.hold(SOLE_MEMBER_HOLD, on=True)
        self._recall()
        if self._closed and self._source is not None:
            # Now: the poll that this is called in may bring messages.
            self._pressure.keep(self._source, self.offsets, len(self._unfinished), closed=True)

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Still ours for this moment: commit what is finished, then let go. Runs go on."""
        self._note_finished()
        if self._source is not None and not self._leaving:
            self._commit_now(self._source, self.offsets.unconfirmed(partitions))
        self._forget(partitions)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Ours no longer: nothing may be committed."""
        self._forget(partitions)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self.offsets.revoke(partitions)
        self._pressure.forget(partitions)
        self._lag.forget(partitions)
        self._to_recall.difference_update(partitions)
        self._metrics.partitions_assigned.dec(len(partitions))
        if self._sole is not None and partitions:
            self._sole.changed()

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has these offsets: what was finished before them need not be remembered."""
        self.offsets.confirmed(offsets)
        self._journal.committed(offsets)

    def commit_failed(self, partitions: Iterable[Partition]) -> None:
        """The broker refused a commit: its offsets are due again."""
        self._metrics.commit_failures.inc()
        self.offsets.failed(partitions)

    # --- the polling thread --------------------------------------------------------------------------------------

    def attach(self, source: Source) -> None:
        self._source = source

    def round(self, source: Source) -> None:
        """One round. Blocks for `POLL_S`, when there is nothing to do; for some round trips, after a rebalance.

        UsageError when the process has to be the only one of its group and is not.
        """
        self._note_finished()
        self._look_around(source)
        batch = self._pressure.keep(source, self.offsets, len(self._unfinished), closed=self._closed)
        messages = source.poll(batch, POLL_S)
        if messages:
            self._take(messages)
        self._commit(source)
        self._tell(source)
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
        return delivered and not self._unfinished

    def finish_up(self, source: Source) -> None:
        """Commit what is finished and leave the group. Blocks, for about a session timeout when the broker is gone."""
        self._note_finished()
        self._commit_now(source, self.offsets.unconfirmed())
        self._leaving = True  # whatever could not be committed now can't be in a moment
        source.close()

    def _note_finished(self) -> None:
        while self._parked:
            self._settle(self._parked.popleft())
        while self._finished:
            taken = self._finished.popleft()
            for incident_id in taken.incidents:
                self._in_hand[incident_id] -= 1
                if self._in_hand[incident_id] <= 0:
                    del self._in_hand[incident_id]
            self._settle(taken)

    def _settle(self, taken: Taken) -> None:
        message = taken.message
        partition = (message.topic, message.partition)
        self._unfinished.discard((partition, taken.epoch, message.offset))
        self.offsets.finish(partition, taken.epoch, message.offset)

    # --- what keeps messages from being taken --------------------------------------------------------------------

    @property
    def _closed(self) -> bool:
        return self._closed_to_new or bool(self._holds)

    def _look_around(self, source: Source) -> None:
        self._recall()
        if self._sole is not None and self.joined:
            self._holds.hold(SOLE_MEMBER_HOLD, on=not self._alone(source, self._sole))
        if self._release_poison:
            self._release_poison = False
            if self._guard is not None:
                self._guard.reset()
            self._holds.hold(POISON_HOLD, on=False)

    def _alone(self, source: Source, sole: SoleMember) -> bool:
        try:
            return sole.alone(source)
        except UsageError:
            with suppress(BrokerError):
                self.finish_up(source)  # so that the other goes on at once
            raise

    def _recall(self) -> None:
        """Ask the journal what of the new partitions is finished already; until it answers nothing is taken."""
        available = self._journal.available
        if available and self._to_recall:
            try:
                self.offsets.remember(self._journal.remembered(tuple(self._to_recall)))
                self._to_recall.clear()
            except StoreError as error:
                _log.warning("%s; nothing is taken until it does", error, event="intake.not_recalled")
        self._holds.hold(JOURNAL_HOLD, on=not available or bool(self._to_recall))

    # --- messages ------------------------------------------------------------------------------------------------

    def _take(self, messages: list[Message]) -> None:
        if self._tally.first_message_at is None:
            self._tally.first_message_at = self._clock.monotonic()
        ruleset, now = self._rules(), self._clock.now()
        works: list[Work] = []
        unmatched = good = 0
        for message in messages:
            found = self._read(message, ruleset, now)
            if found is None:
                unmatched += 1
                good += 1
            elif isinstance(found, Poison):
                self._watch(good, found)
                good = 0
            else:
                works.extend(found)
                good += 1
        self._watch(good)
        if unmatched:
            self._unmatched.inc(unmatched)
        if works:
            self._hand_over(works)

    def _read(self, message: Message, ruleset: Ruleset, now: float) -> list[Work] | Poison | None:
        """The work in a message; None when it needs none. Poison is buried here. The hot path of the process."""
        partition = (message.topic, message.partition)
        progress = self.offsets.progress(partition)
        if progress.remembers(message.offset, message.timestamp_ms):
            progress.skip(message.offset)
            self._remembered.inc()
            return []
        incidents = decode(self._form, message)
        if isinstance(incidents, Poison):
            self._tally.dead_letters += 1
            self._bury(self._taken(message, partition, progress, ()), incidents)
            return incidents
        found = []
        for incident in incidents:
            self._tally.incidents += 1
            matches = ruleset.conditions.match(incident, now)
            if matches or incident.id in self._in_hand or self._knows(incident.id):
                found.append((incident, tuple(matches)))
        if not found:
            progress.skip(message.offset)
            return None
        ids = tuple(incident.id for incident, _ in found)
        self._in_hand.update(ids)
        taken = self._taken(message, partition, progress, ids)
        return [Work(taken, incident, matches, ruleset) for incident, matches in found]

    def _taken(
        self, message: Message, partition: Partition, progress: PartitionProgress, incidents: tuple[str, ...]
    ) -> Taken:
        progress.take(message.offset)
        self._unfinished.add((partition, progress.epoch, message.offset))
        return Taken(message, progress.epoch, max(1, len(incidents)), incidents)

    def _watch(self, good: int, poison: Poison | None = None) -> None:
        """Tell the guard what came: so many good messages, then perhaps a bad one."""
        guard = self._guard
        if guard is None:
            return
        if good:
            guard.good(good)
        if poison is not None:
            guard.poison(poison.reason)
        if (
            guard.tripped is not None
            and self._holds.hold(POISON_HOLD, on=True)
            and self._on_tripped is not None
        ):
            self._on_tripped(guard.tripped)

    # --- commits -------------------------------------------------------------------------------------------------

    def _commit(self, source: Source) -> None:
        now = self._clock.monotonic()
        if now - self._committed_at < COMMIT_EVERY_S:
            return
        self._committed_at = now
        due = self.offsets.due()
        if due:
            self.offsets.sent(due)
            source.commit(due)
            self._tally.last_commit_at = now

    def _commit_now(self, source: Source, offsets: Mapping[Partition, int]) -> None:
        if not offsets:
            return
        self.offsets.sent(offsets)
        failed = source.commit_sync(offsets)
        if failed:
            self.commit_failed(failed)
        self.committed({each: offset for each, offset in offsets.items() if each not in failed})
        self._tally.last_commit_at = self._clock.monotonic()

    def _tell(self, source: Source) -> None:
        self.in_flight = len(self._unfinished)
        self._metrics.incidents_in_flight.set(self.in_flight)
        self._metrics.partitions_paused.set(len(self._pressure.paused))
        self._metrics.intake_held.set(len(self._holds.reasons))
        self._lag.tell(source, self.offsets)
