"""The journal on a SQL database, whichever: memory of what is known, and one writer for all that is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from automation_consumer.errors import StoreError
from automation_consumer.logs import get_logger
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.model.switch import Request, Switch
from automation_consumer.store.database import Database, Reading
from automation_consumer.store.journal import Partition, check_changeable
from automation_consumer.store.known import KnownIncidents
from automation_consumer.store.places import Place, place
from automation_consumer.store.statements import locks, messages, operators, retention, runs
from automation_consumer.store.writer import GroupWriter

_log = get_logger(__name__)

CLOSE_S: Final = 3.0  # for what is queued; less than a service waits for its journal at the end
ASSIGNMENT_S: Final = 10.0  # how long an assignment waits for the database at most


class Lease(Protocol):
    """What makes this process the owner of its runs. All three from any thread."""

    @property
    def connected(self) -> bool:
        """Whether it is known to be kept up."""

    def held(self) -> bool:
        """Whether nobody can have taken our runs over."""

    @property
    def term(self) -> int:
        """How often it has run out and come back."""

    def release(self) -> None:
        """Give it up. Blocks for a bounded time."""


class SqlJournal:
    """See `Journal`."""

    def __init__(
        self,
        process: int,
        writer: GroupWriter,
        lease: Lease,
        known: KnownIncidents,
        *,
        shared: bool,
        announces: bool,
    ) -> None:
        self.process = process
        self.shared = shared
        self._writer = writer
        self._lease = lease
        self._known = known
        self._announces = announces
        self._held: set[Place] = set()  # messages whose row is written

    @property
    def available(self) -> bool:
        return self._writer.available and self._lease.connected

    def may_act(self) -> bool:
        return self._lease.held()

    @property
    def term(self) -> int:
        return self._lease.term

    def close(self) -> None:
        if not self._writer.close(CLOSE_S):
            _log.error(
                "the journal was closed while its database was away: what was queued comes again with its messages",
                event="journal.closed_early",
            )
        self._lease.release()

    # --- runs --------------------------------------------------------------------------------------------------------

    def knows(self, incident_id: str) -> bool:
        return incident_id in self._known

    async def open(self, run: Run, message: Message | None = None) -> Run:
        self._known.add(run.incident_id)
        ours = msgspec.structs.replace(run, owner=self.process, fence=1)
        # Where others finish messages, too, each run makes sure that its own is in hand.
        if message is None or (not self.shared and place(message) in self._held):
            beside, moment = None, None if message is None else message.timestamp_ms
        else:
            beside, moment = message, message.timestamp_ms
        opened = await self._writer.do(lambda db: runs.open_run(db, ours, moment, beside, self._announces))
        if beside is not None:
            self._held.add(place(beside))
        return opened

    async def change(self, run: Run, to: RunStatus, at: float, detail: str = "", **fields: Any) -> bool:
        check_changeable(fields)
        return bool(
            await self._writer.do(
                lambda db: runs.change(db, self.process, run, to, at, detail, fields, self._announces)
            )
        )

    async def find(self, run_id: str) -> Run | None:
        return await self._writer.do(lambda db: runs.find(db, run_id))

    async def adopt(self, run: Run) -> Run | None:
        return await self._writer.do(lambda db: runs.adopt(db, run, self.process))

    async def live_runs(self, incident_id: str, message: Message | None = None) -> list[Run]:
        return await self._writer.do(lambda db: runs.live_runs(db, incident_id, message))

    async def last_success(self, action: str, target: str) -> float | None:
        return await self._writer.do(lambda db: runs.last_success(db, action, target))

    async def started_since(self, action: str, since: float) -> int:
        return await self._writer.do(lambda db: runs.started_since(db, action, since))

    async def note_activity(self, incident_id: str, active: bool) -> None:
        if not self._known.turns(incident_id, active):
            return
        if active:
            await self._writer.do(lambda db: runs.begin_activity(db, incident_id))
        else:
            await self._writer.do(lambda db: runs.end_activity(db, incident_id))

    # --- messages ----------------------------------------------------------------------------------------------------

    async def orphans(self, limit: int) -> list[Message]:
        return await self._writer.do(lambda db: messages.orphans(db, self.process, limit))

    async def hold(self, message: Message, incidents: Sequence[str]) -> None:
        about = tuple(incidents)
        await self._writer.do(lambda db: messages.hold_waiting(db, message, self.process, about))
        self._held.add(place(message))

    async def busy_elsewhere(self, incident_id: str, message: Message) -> bool:
        if not self.shared:
            return False
        return await self._writer.do(
            lambda db: messages.busy_elsewhere(db, self.process, incident_id, message)
        )

    def finished(self, message: Message, *, keep: bool = False) -> None:
        self._held.discard(place(message))
        self._writer.give(lambda db: messages.finish(db, self.process, message, keep))

    def remembered(self, partitions: Iterable[Partition]) -> dict[Partition, frozenset[tuple[int, int]]]:
        wanted = tuple(partitions)

        def look(db: Database) -> Reading[dict[Partition, frozenset[tuple[int, int]]]]:
            refresh = self._known.refresh(db)
            found = messages.remembered(db, wanted)

            def read() -> dict[Partition, frozenset[tuple[int, int]]]:
                refresh()
                return found()

            return read

        try:
            return self._writer.ask(look, ASSIGNMENT_S)
        except TimeoutError as error:  # no longer: the group would think that we are dead
            raise StoreError(
                f"the journal did not say within {ASSIGNMENT_S:.0f} s what of {len(wanted)} partitions is finished"
            ) from error

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        moved = dict(offsets)
        self._writer.give(lambda db: messages.committed(db, moved))

    async def message_of(self, run: Run) -> Message | None:
        return await self._writer.do(lambda db: messages.message_of(db, run))

    # --- locks, operators, events -------------------------------------------------------------------------------------

    async def lock(self, name: str, run_id: str) -> str | None:
        return await self._writer.do(lambda db: locks.take(db, name, run_id, self.process))

    async def unlock(self, name: str, run_id: str) -> None:
        await self._writer.do(lambda db: locks.give_back(db, name, run_id))

    async def switches(self) -> list[Switch]:
        return await self._writer.do(operators.switches)

    async def pause(self, switch: Switch) -> None:
        await self._writer.do(lambda db: operators.pause(db, switch))

    async def requests(self) -> list[Request]:
        return await self._writer.do(lambda db: operators.take_requests(db, self.process))

    async def ask(self, request: Request) -> None:
        await self._writer.do(lambda db: operators.request(db, request))

    async def answer(self, request: Request, text: str, at: float) -> None:
        await self._writer.do(lambda db: operators.answer(db, request.id, text, at))

    async def unannounced(self, limit: int) -> list[Run]:
        return await self._writer.do(lambda db: runs.unannounced(db, self.process, limit))

    async def announced(self, run_ids: Sequence[str]) -> None:
        delivered = tuple(run_ids)
        await self._writer.do(lambda db: runs.announced(db, delivered))

    # --- retention ---------------------------------------------------------------------------------------------------

    async def prune(self, before: float) -> int:
        deleted = 0
        while True:
            with self._known.forgetting() as forget:
                step = await self._writer.do(lambda db: retention.prune_runs(db, before))
                forget(step.forgotten)
            deleted += step.runs
            if step.runs < retention.STEP:
                break
        await self._writer.do(lambda db: retention.prune_rest(db, before))
        return deleted
