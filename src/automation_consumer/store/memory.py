"""The journal in memory: for tests, and for plugin authors' tests. Keeps the same contract; nothing survives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from automation_consumer.errors import FencedError
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run, RunChange, RunStatus
from automation_consumer.model.switch import Request, Switch, Wish
from automation_consumer.store.journal import Partition, check_changeable
from automation_consumer.store.memory_data import Data, Kept, Lease, Wanted, is_earlier
from automation_consumer.store.places import place


class MemoryJournal:
    """See `Journal`. One process; `beside` gives another one on the same data.

    Tests say what becomes of a process: `freeze` (its lease is over, but it may still wake up), `thaw`, `die`, and
    `go_away`/`come_back` for its database. `runs` and `changes` are there to look at.
    """

    shared = True

    def __init__(self, *, announces: bool = False, data: Data | None = None) -> None:
        self._data = data or Data()
        self._announces = announces
        self.term = 0
        self.process = self._data.join()
        self.runs = self._data.runs
        self.changes = self._data.changes

    def beside(self, *, announces: bool = False) -> MemoryJournal:
        """Another process with the same store."""
        return MemoryJournal(announces=announces, data=self._data)

    # --- what a test does to the process -----------------------------------------------------------------------------

    def freeze(self) -> None:
        """The process stands still: its lease runs out, but nobody can prove that it is gone."""
        self._data.leases[self.process] = Lease.LAPSED

    def thaw(self) -> None:
        """The process runs again and has renewed its lease."""
        self.term += self._data.leases[self.process] is not Lease.HELD
        self._data.leases[self.process] = Lease.HELD

    def die(self) -> None:
        """The process is gone, as everybody can see."""
        self._data.leases[self.process] = Lease.GONE

    def go_away(self) -> None:
        """The database cannot be reached: calls wait."""
        self._data.reachable.clear()

    def come_back(self) -> None:
        self._data.reachable.set()

    # --- the contract ------------------------------------------------------------------------------------------------

    @property
    def available(self) -> bool:
        return self._data.reachable.is_set()

    def may_act(self) -> bool:
        return self._data.leases[self.process] is Lease.HELD

    def close(self) -> None:
        self.die()

    def knows(self, incident_id: str) -> bool:
        return incident_id in self._data.incidents

    async def open(self, run: Run, message: Message | None = None) -> Run:
        await self._data.reachable.wait()
        data = self._data
        if message is not None:
            data.hold(message, self.process, run.created_at)
        if run.id not in data.runs:
            data.incidents.add(run.incident_id)
            data.runs[run.id] = msgspec.structs.replace(run, owner=self.process, fence=1)
            data.changes[run.id] = [RunChange(run.created_at, run.status, run.reason)]
            if message is not None:
                data.places[run.id] = place(message)
            self._note_end(data.runs[run.id])
        return data.runs[run.id]

    async def change(self, run: Run, to: RunStatus, at: float, detail: str = "", **fields: Any) -> bool:
        check_changeable(fields)
        await self._data.reachable.wait()
        now = self._data.runs.get(run.id)
        if now is not None and now.fence != run.fence:
            raise FencedError(f"run {run.id} was taken over by process {now.owner}")
        if now is None or now.ended:
            return False
        if now.owner != self.process:
            raise FencedError(f"run {run.id} belongs to process {now.owner}")
        self._data.runs[run.id] = msgspec.structs.replace(now, status=to, **fields)
        self._data.changes[run.id].append(RunChange(at, to, detail))
        self._note_end(self._data.runs[run.id])
        return True

    async def find(self, run_id: str) -> Run | None:
        await self._data.reachable.wait()
        return self._data.runs.get(run_id)

    async def adopt(self, run: Run) -> Run | None:
        await self._data.reachable.wait()
        now = self._data.runs.get(run.id)
        if now is None or now.ended or now.fence != run.fence or now.owner == self.process:
            return None
        lease = self._data.leases.get(now.owner, Lease.GONE)
        if lease is Lease.HELD or (lease is Lease.LAPSED and now.status is RunStatus.RUNNING):
            return None
        taken = msgspec.structs.replace(now, owner=self.process, fence=now.fence + 1)
        self._data.runs[run.id] = taken
        return taken

    async def live_runs(self, incident_id: str, message: Message | None = None) -> list[Run]:
        await self._data.reachable.wait()
        here = None if message is None else (message.topic, message.partition, message.offset)
        return [
            run
            for run in self._data.sorted()
            if run.incident_id == incident_id
            and run.id not in self._data.past
            and (
                here is None
                or run.status is not RunStatus.SKIPPED
                or (run.topic, run.partition, run.offset) == here
            )
        ]

    async def last_success(self, action: str, target: str) -> float | None:
        await self._data.reachable.wait()
        ends = [
            run.ended_at
            for run in self._data.runs.values()
            if (run.action, run.target, run.status) == (action, target, RunStatus.SUCCEEDED)
            and run.ended_at is not None
        ]
        return max(ends, default=None)

    async def started_since(self, action: str, since: float) -> int:
        await self._data.reachable.wait()
        idle = (RunStatus.SKIPPED, RunStatus.PREVIEWED)
        return sum(
            run.action == action and run.created_at >= since and run.status not in idle
            for run in self._data.runs.values()
        )

    async def note_activity(self, incident_id: str, active: bool) -> None:
        await self._data.reachable.wait()
        data = self._data
        if not active and self.knows(incident_id):
            data.inactive.add(incident_id)
        elif active and incident_id in data.inactive:
            data.inactive.discard(incident_id)
            data.past |= {
                run.id for run in data.runs.values() if run.incident_id == incident_id and run.ended
            }

    async def orphans(self, limit: int) -> list[Message]:
        await self._data.reachable.wait()
        found = [
            kept
            for kept in self._data.messages.values()
            if not kept.finished
            and kept.owner != self.process
            and self._data.leases[kept.owner] is not Lease.HELD
        ]
        found.sort(key=lambda kept: (kept.message.timestamp_ms, *place(kept.message)))
        for kept in found[:limit]:
            kept.owner = self.process
        return [kept.message for kept in found[:limit]]

    async def hold(self, message: Message, incidents: Sequence[str]) -> None:
        await self._data.reachable.wait()
        kept = Kept(message, self.process, message.timestamp_ms / 1000, incidents=tuple(incidents))
        self._data.messages.setdefault(place(message), kept)

    async def busy_elsewhere(self, incident_id: str, message: Message) -> bool:
        await self._data.reachable.wait()
        data = self._data
        about = {
            data.places[run.id]
            for run in data.runs.values()
            if run.incident_id == incident_id and run.id in data.places
        }
        return any(
            (where in about or incident_id in kept.incidents)
            and not kept.finished
            and kept.owner != self.process
            and is_earlier(where, place(message))
            for where, kept in data.messages.items()
        )

    def finished(self, message: Message, *, keep: bool = False) -> None:
        kept = self._data.messages.get(place(message))
        if kept is None and not keep:
            kept = Kept(message, self.process, message.timestamp_ms / 1000)
            self._data.messages[place(message)] = kept
        if kept is not None and kept.owner == self.process and not kept.finished:
            for run in self._data.runs.values():
                if (
                    self._data.places.get(run.id) == place(message)
                    and not run.ended
                    and run.owner != kept.owner
                ):
                    kept.owner = run.owner  # that one handles it as well, and finishes it
                    return
            kept.finished, kept.remembered, kept.bytes_kept = True, True, keep

    def remembered(self, partitions: Iterable[Partition]) -> dict[Partition, frozenset[tuple[int, int]]]:
        return {
            partition: frozenset(
                (kept.message.offset, kept.message.timestamp_ms)
                for kept in self._data.messages.values()
                if kept.remembered and (kept.message.topic, kept.message.partition) == partition
            )
            for partition in partitions
        }

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        for where, kept in list(self._data.messages.items()):
            if kept.finished and where.offset < offsets.get((where.topic, where.partition), 0):
                kept.remembered = False
                if not kept.bytes_kept:
                    del self._data.messages[where]

    async def message_of(self, run: Run) -> Message | None:
        await self._data.reachable.wait()
        where = self._data.places.get(run.id)
        kept = self._data.messages.get(where) if where is not None else None
        return kept.message if kept is not None and (not kept.finished or kept.bytes_kept) else None

    async def lock(self, name: str, run_id: str) -> str | None:
        await self._data.reachable.wait()
        holder, owner = self._data.locks.get(name, (run_id, self.process))
        run = self._data.runs.get(holder)
        free = self._data.leases[owner] is Lease.GONE if run is None else run.ended
        if holder != run_id and not free:
            return holder
        self._data.locks[name] = (run_id, self.process)
        return None

    async def unlock(self, name: str, run_id: str) -> None:
        await self._data.reachable.wait()
        if self._data.locks.get(name, ("", 0))[0] == run_id:
            del self._data.locks[name]

    async def switches(self) -> list[Switch]:
        await self._data.reachable.wait()
        return sorted(self._data.switches.values(), key=lambda switch: (switch.since, switch.id))

    async def pause(self, switch: Switch) -> None:
        await self._data.reachable.wait()
        self._data.switches.setdefault(switch.id, switch)

    def resume(self, switch_id: str, who: str, at: float) -> bool:
        """What an operator's reader does: end a pause."""
        return self._data.switches.pop(switch_id, None) is not None

    def request(self, request: Request) -> None:
        """What an operator's reader does: ask for something."""
        self._data.wishes.setdefault(request.id, Wanted(request))

    def answer_to(self, request_id: str) -> str | None:
        """What an operator's reader does: look what became of a request."""
        wanted = self._data.wishes.get(request_id)
        return wanted.text if wanted else None

    async def requests(self) -> list[Request]:
        await self._data.reachable.wait()
        found = [
            wanted
            for wanted in self._data.wishes.values()
            if wanted.text is None
            and (wanted.taker is None or self._data.leases[wanted.taker] is Lease.GONE)
            and not self._is_for_another(wanted.request)
        ]
        for wanted in found:
            wanted.taker = self.process
        return [
            wanted.request
            for wanted in sorted(found, key=lambda wanted: (wanted.request.at, wanted.request.id))
        ]

    def _is_for_another(self, request: Request) -> bool:
        run = self._data.runs.get(request.run_id)
        if request.wish is Wish.RETRY or run is None or run.ended or run.owner == self.process:
            return False
        return self._data.leases.get(run.owner, Lease.GONE) is not Lease.GONE

    async def ask(self, request: Request) -> None:
        await self._data.reachable.wait()
        self.request(request)

    async def answer(self, request: Request, text: str, at: float) -> None:
        await self._data.reachable.wait()
        wanted = self._data.wishes.get(request.id)
        if wanted is not None and wanted.text is None:
            wanted.text = text

    async def unannounced(self, limit: int) -> list[Run]:
        await self._data.reachable.wait()
        mine = [
            run
            for run in map(self._data.runs.__getitem__, self._data.unannounced)
            if run.owner == self.process or self._data.leases.get(run.owner, Lease.GONE) is Lease.GONE
        ]
        return sorted(mine, key=lambda run: (run.ended_at or run.created_at, run.id))[:limit]

    async def announced(self, run_ids: Sequence[str]) -> None:
        await self._data.reachable.wait()
        self._data.unannounced -= set(run_ids)

    async def prune(self, before: float) -> int:
        await self._data.reachable.wait()
        return self._data.prune(before)

    def _note_end(self, run: Run) -> None:
        if run.ended and self._announces:
            self._data.unannounced.add(run.id)
