"""The switchboard over a journal in memory: how soon a pause is seen, what it says, and who answers requests."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry

from automation_consumer.errors import PermanentError
from automation_consumer.metrics import Metrics
from automation_consumer.model.switch import Request, Scope, Switch, Wish
from automation_consumer.pipeline.pauses import ParkedError
from automation_consumer.service.switchboard import Switchboard
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock


class World:
    """A service's switchboard, an operator's hand on the same journal, and a clock that the test moves."""

    def __init__(self, journal=None, answer=None) -> None:
        self.journal = journal or MemoryJournal()
        self.clock = FakeClock()
        self.metrics = Metrics(CollectorRegistry())
        self.asked: list[str] = []
        self.intake: list[str | None] = []
        self._answer = answer
        self.board = Switchboard(
            self.journal,
            self.clock,
            self.metrics,
            on_request=self._on_request,
            on_intake=lambda switch: self.intake.append(switch and switch.id),
        )

    async def _on_request(self, request):
        self.asked.append(request.id)
        if isinstance(self._answer, BaseException):
            raise self._answer
        if self._answer is not None:
            return await self._answer(request, self)
        return f"run {request.run_id} runs again"

    def a_switch(self, switch_id="p1", scope=Scope.EVERYTHING, name="", for_s=None) -> Switch:
        now = self.clock.now()
        return Switch(switch_id, scope, name, "kim", "why not", now, None if for_s is None else now + for_s)

    def covered(self, action="drain") -> str | None:
        found = self.board.covering("disks", action, "script", self.clock.now())
        return found and found.id

    def gauge(self) -> float:
        return self.metrics.registry.get_sample_value("automation_pauses")


@pytest.fixture
async def world():
    made = World()
    await made.board.start()
    yield made
    await made.board.stop()


async def test_a_pause_is_seen_within_two_seconds_by_all_replicas(world):
    """Red with LOOK_EVERY_S = 3."""
    other = World(world.journal.beside())
    await other.board.start()
    await world.journal.pause(world.a_switch())
    assert (world.covered(), other.covered()) == (None, None)
    await world.clock.advance(2)
    await other.clock.advance(2)
    assert (world.covered(), other.covered()) == ("p1", "p1")
    assert (world.gauge(), world.board.facts()[0]["who"]) == (1, "kim")
    world.journal.resume("p1", "kim", 0.0)
    await world.clock.advance(2)
    assert (world.covered(), world.gauge(), world.board.facts()) == (None, 0, [])
    await other.board.stop()


async def test_a_pause_is_known_before_anything_acts():
    """Red when `start` does not look before it returns: for a second after a restart everything would act."""
    world = World()
    await world.journal.pause(world.a_switch())
    await world.board.start()
    assert world.covered() == "p1"
    await world.board.stop()


async def test_it_ends_at_its_time_without_anybody_and_without_the_journal(world):
    await world.journal.pause(world.a_switch(for_s=60))
    await world.clock.advance(1)
    assert world.covered() == "p1"
    world.journal.go_away()
    await world.clock.advance(30)
    assert world.covered() == "p1", "the last known stand holds"
    await world.clock.advance(31)
    assert (world.covered(), world.gauge()) == (None, 0)
    world.journal.come_back()
    await world.journal.pause(world.a_switch("p2"))
    await world.clock.advance(2)
    assert world.covered() == "p2"


async def test_the_oldest_pause_that_covers_it_is_the_reason(world):
    await world.journal.pause(world.a_switch("p1", Scope.ACTION, "reboot"))
    await world.clock.advance(0.1)
    await world.journal.pause(world.a_switch("p2", Scope.CONDITION, "disks"))
    await world.clock.advance(0.1)
    await world.journal.pause(world.a_switch("p3"))
    await world.clock.advance(1)
    assert (world.covered(), world.covered("reboot"), world.gauge()) == ("p2", "p1", 3)


async def test_it_says_when_a_pause_begins_and_ends(world, caplog):
    """Once each. Red when `_tell` does not compare with what it told before."""
    caplog.set_level(logging.INFO)
    await world.journal.pause(world.a_switch("p1", Scope.ACTION_TYPE, "script", for_s=5))
    await world.journal.pause(world.a_switch("p2"))
    await world.clock.advance(3)
    world.journal.resume("p2", "kim", 0.0)
    await world.clock.advance(3)
    said = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in said] == [
        "action type script is paused by kim until 2027-01-15T08",
        "everything is paused by kim until somebody resumes it",
        "everything acts again, but for what stays paused by action type script (p1)",
        "action type script acts again",
    ]
    assert said[2].endswith("was resumed")
    assert said[3].endswith("is over")


async def test_nothing_is_said_to_act_again_while_another_pause_covers_it(world, caplog):
    """Red when `_say_ended` does not ask for the others."""
    caplog.set_level(logging.INFO)
    for switch_id, scope, name in (
        ("p1", Scope.ACTION, "drain"),
        ("p2", Scope.ACTION, "reboot"),
        ("p3", Scope.ACTION, "drain"),
        ("p4", Scope.EVERYTHING, ""),
    ):
        await world.journal.pause(world.a_switch(switch_id, scope, name))
    await world.clock.advance(2)
    caplog.clear()
    for ended in ("p1", "p4", "p3"):
        world.journal.resume(ended, "kim", 0.0)
        await world.clock.advance(2)
    assert [record.getMessage().rsplit(":", 1)[0] for record in caplog.records] == [
        "action drain stays paused by action drain (p3), everything (p4)",
        "everything acts again, but for what stays paused by action reboot (p2), action drain (p3)",
        "action drain acts again",
    ]


@pytest.mark.parametrize("away", [False, True])
async def test_no_error_ends_the_looking(caplog, away):
    """It is the kill switch: what is wrong is said once, and the next look is made. Red with `except StoreError`."""

    class Odd(MemoryJournal):
        """Hands out what no journal should; then is well again."""

        odd: str | None = None

        async def switches(self):
            if self.odd is not None:
                raise OverflowError(self.odd)
            return await super().switches()

        @property
        def available(self):
            if away and self.odd is not None:
                raise OverflowError(self.odd)
            return True

    world = World(Odd())
    await world.board.start()
    world.journal.odd = "date value out of range"
    await world.clock.advance(5)
    assert [record.getMessage() for record in caplog.records] == [
        "pauses and requests cannot be read; the last known pauses hold: OverflowError: date value out of range"
    ]
    world.journal.odd = None
    await world.journal.pause(world.a_switch())
    await world.clock.advance(2)
    assert world.covered() == "p1"
    await world.board.stop()


async def test_a_pause_of_the_intake_is_told_to_it_and_covers_no_run(world):
    await world.journal.pause(world.a_switch("p1", Scope.INTAKE))
    await world.clock.advance(3)
    assert (world.intake, world.covered()) == (["p1"], None)
    world.journal.resume("p1", "kim", 0.0)
    await world.clock.advance(3)
    assert world.intake == ["p1", None]


def a_request(number=1) -> Request:
    return Request(f"q{number}", Wish.RETRY, f"r{number}", "kim", 1.0)


async def test_a_request_is_answered_once_by_one_of_them(world):
    """Red when `look` forgets what it has taken, or takes what another has."""
    other = World(world.journal.beside())
    await other.board.start()
    world.journal.request(a_request())
    await asyncio.gather(world.clock.advance(2), other.clock.advance(2))
    assert world.asked + other.asked == ["q1"]
    assert world.journal.answer_to("q1") == "run r1 runs again"
    await other.board.stop()


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (PermanentError("its message is gone"), "refused: its message is gone"),
        (ZeroDivisionError("oops"), "refused: ZeroDivisionError: oops; the service's log says more"),
        (ParkedError("stopping"), None),
    ],
)
async def test_a_request_that_cannot_be_fulfilled(error, answer):
    """Nobody waits for ever; a stop leaves it to the next process. Red when one of the three `except` is taken away."""
    world = World(answer=error)
    await world.board.start()
    world.journal.request(a_request())
    await world.clock.advance(1)
    assert world.journal.answer_to("q1") == answer
    await world.board.stop()
    if answer is None:
        world.journal.die()
        assert [each.id for each in await world.journal.beside().requests()] == ["q1"]


async def test_a_slow_request_holds_up_neither_pauses_nor_other_requests():
    """Red when `look` awaits the answer."""

    async def answer(request, world):
        if request.id == "q1":
            await world.clock.sleep(600)
        return "done"

    world = World(answer=answer)
    await world.board.start()
    world.journal.request(a_request(1))
    await world.clock.advance(1)
    world.journal.request(a_request(2))
    await world.journal.pause(world.a_switch())
    await world.clock.advance(1)
    assert (world.journal.answer_to("q1"), world.journal.answer_to("q2"), world.covered()) == (
        None,
        "done",
        "p1",
    )
    await world.board.stop()


async def test_who_resumes_and_then_asks_is_not_refused_by_the_old_pause():
    """Red when `look` reads the pauses before the requests."""

    class Between(MemoryJournal):
        """The operator resumes and asks, after whatever is read first and before what is read next."""

        ready = False

        def act(self):
            if self.ready:
                self.ready = False
                self.resume("p1", "kim", 0.0)
                self.request(a_request())

        async def switches(self):
            found = await super().switches()
            self.act()
            return found

        async def requests(self):
            found = await super().requests()
            self.act()
            return found

    async def answer(request, world):
        return f"covered by {world.covered()}"

    world = World(Between(), answer)
    await world.journal.pause(world.a_switch())
    await world.board.start()
    world.journal.ready = True
    await world.clock.advance(3)
    assert world.journal.answer_to("q1") == "covered by None"
    await world.board.stop()
