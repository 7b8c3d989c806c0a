"""The end of the process: nothing that hangs may keep it from ending, and no lease is given up too early."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from automation_consumer.errors import StoreError
from automation_consumer.pipeline.work import Tally
from automation_consumer.service import leftovers
from automation_consumer.service.leftovers import Leftovers


@dataclass
class Closes:
    """Something that closes, hangs in it until the test is over, or fails."""

    hangs: bool = False
    fails: bool = False
    closed: int = 0
    polling: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def flow(self) -> Closes:
        return self

    def close(self) -> None:
        if self.hangs:
            self.over.wait()
        if self.fails:
            raise StoreError("the disk is full")
        self.closed += 1


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(leftovers, "CLOSE_S", 0.1)


def cut_off(left: Leftovers) -> bool:
    tally = Tally()
    left.tell(tally)
    return tally.cut_off


def test_all_is_closed_and_nothing_is_left():
    left, service, journal = Leftovers(), Closes(), Closes()
    left.close_service(service)
    left.close_journal(journal)
    assert (service.closed, journal.closed, cut_off(left)) == (1, 1, False)


def test_a_close_that_hangs_is_left_behind_and_the_journal_is_still_closed(caplog):
    """Red when `bounded` waits without a limit: a broker that is away would keep the lease from being given up."""
    left, service, journal = Leftovers(), Closes(hangs=True), Closes()
    left.close_service(service)
    left.close_journal(journal)
    assert (journal.closed, cut_off(left)) == (1, True)
    assert "closing the clients" in caplog.text
    service.over.set()


def test_a_journal_that_hangs_is_left_behind(caplog):
    left, journal = Leftovers(), Closes(hangs=True)
    left.close_journal(journal)
    assert cut_off(left)
    assert "closing the journal" in caplog.text
    journal.over.set()


def test_while_an_action_may_be_at_work_the_lease_is_kept(caplog):
    """Red when `close_journal` closes anyway: another replica could start the job that our thread is just starting."""
    left, journal = Leftovers(), Closes()
    left.acting = True
    left.close_journal(journal)
    assert (journal.closed, cut_off(left)) == (0, True)
    assert "the lease is not given up" in caplog.text


def test_a_polling_thread_that_has_not_ended_keeps_no_lease_but_ends_the_process():
    left, journal = Leftovers(), Closes()
    left.close_service(Closes(polling=True))
    left.close_journal(journal)
    assert (journal.closed, cut_off(left)) == (1, True)


def test_what_a_close_raises_is_raised():
    with pytest.raises(StoreError, match="disk is full"):
        Leftovers().close_journal(Closes(fails=True))
