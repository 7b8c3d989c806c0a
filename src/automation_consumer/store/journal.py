"""What every store can do, whatever database it stands on.

A *process* is one running service; it has a number in the store (`process`), greater than those of all before it, and
a lease. A run belongs to one process at a time: `Run.owner` is its number and `Run.fence` counts how often the run
changed hands. Every write names the fence that the writer knows, so whoever lost a run cannot write to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from automation_consumer.errors import StoreError
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run, RunChange, RunStatus
from automation_consumer.model.switch import Request, Switch

Partition = tuple[str, int]

CHANGEABLE = frozenset(
    {"attempt", "next_at", "ended_at", "handle", "url", "reason", "output", "data", "deadline_at"}
)
"""The fields of a run that may change, besides its status."""


def check_changeable(fields: Iterable[str]) -> None:
    """StoreError if a run can never change one of these fields."""
    unknown = set(fields) - CHANGEABLE
    if unknown:
        raise StoreError(f"these fields of a run never change: {', '.join(sorted(unknown))}")


class RunFilter(msgspec.Struct, frozen=True):
    """Which runs a listing shows; None means any. `limit` bounds the rows, newest first."""

    incident_id: str | None = None
    status: RunStatus | None = None
    limit: int = 50


class Journal(Protocol):
    """The service's side. Awaiting a write means that it is on disk; writes of concurrent runs share transactions.

    While the database cannot be reached (`available` is False) calls wait, and go on when it is back: nothing is
    forgotten and nothing is half done. StoreError when a write can never succeed, or when the journal is closed.
    """

    process: int
    """The number of this process in the store."""

    shared: bool
    """Whether other processes may use the store at the same time."""

    @property
    def available(self) -> bool:
        """Whether the database answers, as far as is known. Never blocks; any thread."""

    def may_act(self) -> bool:
        """Whether nobody can have taken our runs over: our lease holds by our own clock. Never blocks; any thread."""

    @property
    def term(self) -> int:
        """How often the lease has run out and come back. What was written under an earlier term may be another's now."""

    def close(self) -> None:
        """Finish what is queued, give up the lease so that others go on at once, and close. Blocks."""

    # --- runs --------------------------------------------------------------------------------------------------------

    def knows(self, incident_id: str) -> bool:
        """Whether the incident may have runs. In memory, any thread, never blocks."""

    async def open(self, run: Run, message: Message | None = None) -> Run:
        """Write a new run as ours, with its message beside it (once); returned with our `owner` and a `fence`.

        If there is a run of this id already it is returned as it stands: compare `owner` and `status`.
        """

    async def change(self, run: Run, to: RunStatus, at: float, detail: str = "", **fields: Any) -> bool:
        """Move our open run on. False when it has ended already: a final state is never overwritten.

        FencedError when it is not ours: another process has it, or has had it since (`run.fence` is no longer the run's).
        """

    async def find(self, run_id: str) -> Run | None:
        """The run as it stands now."""

    async def adopt(self, run: Run) -> Run | None:
        """Take an open run over. None when its process may still act on it, or somebody was faster, or it has ended.

        A run that is only waited for (waiting, retrying) is taken when its process's lease is over. One that may be
        acting at this moment (running) only when its process is proven to be gone: a frozen one may still wake up.
        """

    async def live_runs(self, incident_id: str, message: Message | None = None) -> list[Run]:
        """The runs of the incident since it last became active, oldest first.

        With a message, what earlier messages skipped is left out: there may be very much of it.
        """

    async def last_success(self, action: str, target: str) -> float | None:
        """When that action last succeeded for that target."""

    async def started_since(self, action: str, since: float) -> int:
        """How many runs of that action have begun since then and were not skipped or previewed."""

    async def note_activity(self, incident_id: str, active: bool) -> None:
        """Remember whether a known incident is active. When it becomes active again, its earlier runs no longer count."""

    # --- messages: those in hand, and those that are finished beyond the committed offset -----------------------------

    async def orphans(self, limit: int) -> list[Message]:
        """Messages that are not finished and whose process is gone or has lost its lease, oldest first; ours from now on.

        At the start these are the ones that an earlier process left behind.
        """

    async def hold(self, message: Message, incidents: Sequence[str]) -> None:
        """The message waits here for earlier ones of its incidents, and will be handled: it is in hand before any run of it."""

    async def busy_elsewhere(self, incident_id: str, message: Message) -> bool:
        """Whether an earlier message that has runs of this incident, or waits for it, is in hand, and not in ours.

        Also when its process is gone: then somebody is about to take it up.
        """

    def finished(self, message: Message, *, keep: bool = False) -> None:
        """Nothing more is to be done for it, whether it had runs or not. It is remembered until its offset is committed.

        `keep`: its bytes as well, so that an operator may have a run of it tried again.

        Any thread; does not wait. A crash before it is written costs only a second look at the message.
        """

    def remembered(self, partitions: Iterable[Partition]) -> dict[Partition, frozenset[tuple[int, int]]]:
        """(offset, timestamp_ms) of the finished messages of these partitions. Blocks; not on the event loop.

        StoreError when the database does not answer for long: ask again before anything of them is taken.
        """

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets are committed: finished messages before them need not be remembered. Any thread; does not wait."""

    async def message_of(self, run: Run) -> Message | None:
        """The message of a run, while it is in hand or kept."""

    # --- locks ---------------------------------------------------------------------------------------------------------

    async def lock(self, name: str, run_id: str) -> str | None:
        """Take the lock for a run of ours. None when it is ours now, else the id of the run that holds it.

        It stays with its run, also when that changes hands: it is free when it was given back, or when its process is
        gone and its run never began. A run that has ended holds none.
        """

    async def unlock(self, name: str, run_id: str) -> None:
        """Give the lock back, if the run holds it."""

    # --- what operators ask ----------------------------------------------------------------------------------------------

    async def switches(self) -> list[Switch]:
        """The pauses that have not been resumed, oldest first (also those whose time is over)."""

    async def pause(self, switch: Switch) -> None: ...

    async def requests(self) -> list[Request]:
        """Wishes that nobody has taken, or whose taker is gone; ours from now on.

        What concerns a run that is open goes to the process that has it (to any, when nobody has it).
        """

    async def ask(self, request: Request) -> None:
        """What one process asks of another. The same id again changes nothing."""

    async def answer(self, request: Request, text: str, at: float) -> None:
        """The wish is fulfilled, or can't be; `text` says which, for the operator."""

    # --- events ------------------------------------------------------------------------------------------------------------

    async def unannounced(self, limit: int) -> list[Run]:
        """Ended runs whose event is not delivered, oldest first: ours, and those of processes that are gone.

        Only with `announces=True` at the opening are ended runs noted as such.
        """

    async def announced(self, run_ids: Sequence[str]) -> None:
        """The events of these runs are delivered."""

    # --- retention ---------------------------------------------------------------------------------------------------------

    async def prune(self, before: float) -> int:
        """Delete runs that ended before then, with their changes, and messages kept since before then; how many runs.

        Open runs stay, and so do those of the current activation of an incident that is still active: `rerun` asks
        for them. Runs whose event is not delivered stay too.
        """


class JournalReader(Protocol):
    """The operator's side, beside running services. Blocks. StoreError when the database cannot be read or written."""

    def runs(self, which: RunFilter) -> list[Run]: ...

    def run(self, run_id: str) -> Run | None:
        """The run of that id, or the only one whose id begins with it."""

    def beginning(self, text: str, limit: int) -> list[str]:
        """Ids of runs that begin with the text, in their order, at most so many."""

    def changes(self, run_id: str) -> list[RunChange]: ...

    def switches(self) -> list[Switch]: ...

    def pause(self, switch: Switch) -> None: ...

    def resume(self, switch_id: str, who: str, at: float) -> bool:
        """End a pause. False when there is none of that id."""

    def request(self, request: Request) -> None: ...

    def answer_to(self, request_id: str) -> str | None:
        """What became of a request; None while nobody has answered."""

    def close(self) -> None: ...
