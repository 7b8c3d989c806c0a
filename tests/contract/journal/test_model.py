"""Any interleaving of what processes do to a few runs and messages, against a simple model. Red with any wrong guard."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.contract.journal.samples import a_message, a_run
from tests.contract.journal.stores import MemoryStore, SqliteStore, Store

from automation_consumer.errors import FencedError
from automation_consumer.model.run import ENDED, OPEN, Run, RunStatus

RUNS = st.sampled_from([f"r{number}" for number in range(4)])
HERE = ("incidents", 0)


class JournalMachine(RuleBasedStateMachine):
    """One process after the other (of the SQL stores SQLite allows no more); the model is three dictionaries."""

    def make(self) -> Store:
        return MemoryStore()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = self.make()
        self.journal = self.store.open(announces=True)
        self.status: dict[str, RunStatus] = {}
        self.owner: dict[str, int] = {}
        self.known: dict[str, Run] = {}  # as some task knows it, perhaps an old one
        self.told: set[str] = set()
        self.messages: dict[int, str] = {}

    def do(self, call):
        return self.loop.run_until_complete(call)

    @rule(run_id=RUNS, status=st.sampled_from([RunStatus.RUNNING, RunStatus.SKIPPED]))
    def open(self, run_id: str, status: RunStatus) -> None:
        offset = int(run_id[1:])
        found = self.do(
            self.journal.open(a_run(run_id, status=status, offset=offset, ended_at=1.0), a_message(offset))
        )
        if run_id not in self.status:
            self.status[run_id], self.owner[run_id], self.known[run_id] = status, self.journal.process, found
        self.messages[offset] = "open"
        assert (found.status, found.owner) == (self.status[run_id], self.owner[run_id])

    @rule(run_id=RUNS, to=st.sampled_from(sorted(RunStatus)))
    def change(self, run_id: str, to: RunStatus) -> None:
        if run_id not in self.known:
            return
        stands = self.do(self.journal.find(run_id))
        try:
            landed = self.do(self.journal.change(self.known[run_id], to, 2.0, ended_at=2.0))
        except FencedError:
            assert stands.fence != self.known[run_id].fence or self.owner[run_id] != self.journal.process
            return
        assert stands.fence == self.known[run_id].fence
        assert landed == (self.status[run_id] in OPEN)
        assert not landed or self.owner[run_id] == self.journal.process
        if landed:
            self.status[run_id] = to

    @rule(run_id=RUNS, learn=st.booleans())
    def adopt(self, run_id: str, learn: bool) -> None:
        if run_id not in self.status:
            return
        taken = self.do(self.journal.adopt(self.do(self.journal.find(run_id))))
        may = self.status[run_id] in OPEN and self.owner[run_id] != self.journal.process
        assert (taken is not None) == may
        if taken is not None:
            self.owner[run_id] = self.journal.process
            if learn:
                self.known[run_id] = taken

    @rule(offset=st.integers(0, 3), keep=st.booleans())
    def finish(self, offset: int, keep: bool) -> None:
        mine = {
            message.offset for message in self.do(self.journal.orphans(10))
        }  # what is not ours yet becomes ours
        assert mine <= {number for number, state in self.messages.items() if state == "open"}
        self.journal.finished(a_message(offset), keep=keep)
        run_id = f"r{offset}"
        theirs = self.status.get(run_id) in OPEN and self.owner[run_id] != self.journal.process
        if theirs and self.messages.get(offset) == "open":
            return  # it is for whoever has the run, or takes it over
        if self.messages.get(offset) == "open":
            self.messages[offset] = "kept" if keep else "finished"
        elif not keep:
            self.messages.setdefault(offset, "finished")

    @rule(offset=st.integers(0, 4))
    def commit(self, offset: int) -> None:
        self.journal.committed({HERE: offset})
        for number, state in list(self.messages.items()):
            if state == "finished" and number < offset:
                del self.messages[number]
            elif state == "kept" and number < offset:
                self.messages[number] = "archived"

    @rule()
    def announce(self) -> None:
        self.told |= {run.id for run in self.do(self.journal.unannounced(10))}
        self.do(self.journal.announced(sorted(self.told)))

    @precondition(lambda self: self.status)
    @rule()
    def restart(self) -> None:
        self.store.end(self.journal)
        self.journal = self.store.open(announces=True)

    @invariant()
    def what_stands_is_what_the_model_says(self) -> None:
        runs = {run.id: run for run in self.do(self.journal.live_runs("INC-1"))}
        assert {run_id: run.status for run_id, run in runs.items()} == self.status
        assert {run_id: run.owner for run_id, run in runs.items()} == self.owner
        seen = self.journal.remembered([HERE])[HERE]
        assert {offset for offset, _ in seen} == {
            number for number, state in self.messages.items() if state in ("finished", "kept")
        }
        due = {run_id for run_id, status in self.status.items() if status in ENDED} - self.told
        assert {run.id for run in self.do(self.journal.unannounced(10))} == due

    def teardown(self) -> None:
        self.store.close()
        self.loop.close()


class SqliteMachine(JournalMachine):
    """The same on SQLite."""

    def make(self) -> Store:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteStore(Path(self.folder.name))

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestMemory = JournalMachine.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
