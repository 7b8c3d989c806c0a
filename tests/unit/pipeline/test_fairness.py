"""Fair slots: who is next, that everybody is, and that no slot is ever lost or given twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from automation_consumer.pipeline.fairness import (
    NOBODY,
    WEIGHTS,
    FairSlots,
    Line,
    Severity,
    Turn,
    severity_of,
)

SEVERITIES = ("critical", "high", "warning", "info")
ROUND = sum(WEIGHTS)

turns = st.builds(Turn, st.sampled_from(SEVERITIES), st.sampled_from("abc"), st.sampled_from("xyz"))


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("CRITICAL", Severity.CRITICAL),
        ("P1", Severity.CRITICAL),
        ("SEV-1", Severity.CRITICAL),
        ("sev0", Severity.CRITICAL),
        ("1 - Critical", Severity.CRITICAL),
        ("Major", Severity.HIGH),
        ("high", Severity.HIGH),
        ("error", Severity.HIGH),
        ("p2", Severity.HIGH),
        ("warning", Severity.WARNING),
        ("3 - Moderate", Severity.WARNING),
        ("P5", Severity.REST),
        ("low", Severity.REST),
        ("ok", Severity.REST),
        ("безопасно", Severity.REST),
        ("", Severity.REST),
        (None, Severity.REST),
        ("critical " * 1_000_000, Severity.REST),
    ],
)
def test_severities_of_every_system_have_a_lane(name: str | None, severity: Severity):
    assert severity_of(name) is severity


# --- who is next -----------------------------------------------------------------------------------------------------


def filled(*waiting: tuple[Turn, int]) -> Line[str]:
    """A line in which each of these waits so often; a waiter's name tells its turn."""
    line: Line[str] = Line()
    for turn, number in waiting:
        for each in range(number):
            line.put(turn, f"{turn.severity}/{turn.condition}/{turn.target}/{each}")
    return line


def drained(line: Line[str]) -> Iterator[str]:
    while (found := line.pop()) is not None:
        yield found


def test_a_round_serves_severities_by_weight_and_the_most_urgent_first():
    """Red without weights (always the most urgent lane), and with plain first come, first served."""
    line = filled(*((Turn(each), 100) for each in reversed(SEVERITIES)))

    served = [next(drained(line)).split("/")[0] for _ in range(2 * ROUND)]

    one_round = [name for name, weight in zip(SEVERITIES, WEIGHTS, strict=True) for _ in range(weight)]
    assert served == one_round * 2


def test_what_the_others_do_not_use_is_there_for_all():
    line = filled((Turn("info"), 50))

    assert len(list(drained(line))) == 50


def test_a_critical_run_that_comes_late_waits_for_seven_at_most():
    line = filled(*((Turn(each), 100) for each in SEVERITIES[1:]))
    for _ in range(30):
        line.pop()
        late = filled_again(line)
        assert late <= ROUND - WEIGHTS[Severity.CRITICAL]


def filled_again(line: Line[str]) -> int:
    """How many are served before a critical run that comes now."""
    line.put(Turn("critical", "new"), "late")
    for number in count():
        if line.pop() == "late":
            return number
    raise AssertionError


def test_conditions_take_turns_and_within_one_its_targets():
    """Red if the condition or the target that was served stays at the front."""
    line = filled(
        (Turn("high", "noisy", "h1"), 100),
        (Turn("high", "noisy", "h2"), 2),
        (Turn("high", "quiet", "h1"), 2),
    )

    served = [next(drained(line)).removeprefix("high/") for _ in range(7)]

    assert served == [
        "noisy/h1/0",
        "quiet/h1/0",
        "noisy/h2/0",
        "quiet/h1/1",
        "noisy/h1/1",
        "noisy/h2/1",
        "noisy/h1/2",
    ]


def test_nothing_is_kept_of_those_who_are_gone():
    """Red without `_tidy`: hosts come from incidents and would pile up for ever."""
    line: Line[int] = Line()
    for number in range(1000):
        turn = Turn("high", f"c{number}", f"h{number}")
        line.put(turn, number)
        if number % 2:
            line.remove(turn, number)
        else:
            assert line.pop() == number
    assert not line
    assert not any(line._lanes)


@given(victim=turns, before=st.lists(turns, max_size=30), flood=st.lists(turns, min_size=1, max_size=4))
def test_nobody_starves_whatever_comes_later(victim: Turn, before: list[Turn], flood: list[Turn]):
    """The bound that `Line` promises, while more comes than is served.

    Red if a more urgent severity always goes first, and if a condition or a target that was served keeps its place.
    """
    line: Line[object] = Line()
    for turn in before:
        line.put(turn, object())
    line.put(victim, "victim")
    conditions = {each.condition for each in (*before, *flood, victim)}
    targets = {each.target for each in (*before, *flood, victim)}
    ahead = (before.count(victim) + 1) * len(conditions) * len(targets)
    rounds = -(-ahead // WEIGHTS[severity_of(victim.severity)]) + 1

    for _ in range(rounds * ROUND):
        for turn in flood:
            line.put(turn, object())
        if line.pop() == "victim":
            return
    pytest.fail(f"{victim} was not served within {rounds} rounds")


@given(st.lists(st.one_of(turns, st.none(), st.integers(0, 50)), max_size=200))
def test_everybody_is_served_once(steps: list[Turn | int | None]):
    """A turn: somebody comes. None: a slot is given. A number: somebody goes away. Red if who went away is served."""
    line: Line[int] = Line()
    waiting: dict[int, Turn] = {}
    names = count()
    for step in [*steps, *[None] * len(steps)]:
        if isinstance(step, Turn):
            name = next(names)
            line.put(step, name)
            waiting[name] = step
        elif isinstance(step, int):
            if waiting:
                name = sorted(waiting)[step % len(waiting)]
                line.remove(waiting.pop(name), name)
        else:
            served = line.pop()
            assert (served is None) == (not waiting)
            if served is not None:
                del waiting[served]
    assert not waiting
    assert not line


@given(st.lists(turns, min_size=1, max_size=100), st.data())
def test_one_target_is_served_in_the_order_of_coming(coming: list[Turn], data: st.DataObject):
    line: Line[int] = Line()
    for number, turn in enumerate(coming):
        line.put(turn, number)
    gone = data.draw(st.sets(st.integers(0, len(coming) - 1)))
    for number in gone:
        line.remove(coming[number], number)

    served = list(iter(line.pop, None))

    assert Counter(served) == Counter(set(range(len(coming))) - gone)
    for turn in set(coming):
        of_it = [number for number in served if coming[number] == turn]
        assert of_it == sorted(of_it)


# --- slots -----------------------------------------------------------------------------------------------------------


class Slots(RuleBasedStateMachine):
    """Tasks that take, hold, give back and are cancelled at any moment, also between being given a slot and seeing it.

    Red if a cancelled waiter keeps the slot that it was given, if one that is gone is given a slot, and if a slot is
    given back without going to the next one.
    """

    @initialize(slots=st.integers(1, 4))
    def begin(self, slots: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.count = slots
        self.slots = FairSlots(slots)
        self.inside: set[int] = set()
        self.most = 0
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.leave: dict[int, asyncio.Event] = {}
        self.names = count()

    async def _hold(self, name: int, turn: Turn) -> None:
        async with self.slots.turn(turn):
            self.inside.add(name)
            self.most = max(self.most, len(self.inside))
            try:
                await self.leave[name].wait()
            finally:
                self.inside.discard(name)

    def _step(self, times: int = 1) -> None:
        for _ in range(times):
            self.loop.stop()  # after one round: so that whatever lies between two of them can be cut off
            self.loop.run_forever()
        self.tasks = {name: task for name, task in self.tasks.items() if not task.done()}

    @rule(turn=turns, steps=st.integers(0, 2))
    def come(self, turn: Turn, steps: int) -> None:
        name = next(self.names)
        self.leave[name] = asyncio.Event()
        self.tasks[name] = self.loop.create_task(self._hold(name, turn))
        self._step(steps)

    @precondition(lambda self: self.inside)
    @rule(which=st.integers(0, 9), steps=st.integers(0, 2))
    def give_back(self, which: int, steps: int) -> None:
        self.leave[sorted(self.inside)[which % len(self.inside)]].set()
        self._step(steps)

    @precondition(lambda self: self.tasks)
    @rule(which=st.integers(0, 50), steps=st.integers(0, 2))
    def cancel(self, which: int, steps: int) -> None:
        self.tasks[sorted(self.tasks)[which % len(self.tasks)]].cancel()
        self._step(steps)

    @rule()
    def come_to_rest(self) -> None:
        self._step(10)
        assert len(self.inside) == min(self.count, len(self.tasks))

    @invariant()
    def never_more_than_there_are(self) -> None:
        assert getattr(self, "most", 0) <= getattr(self, "count", 0)

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.come_to_rest()
        while self.tasks:
            for name in self.inside:
                self.leave[name].set()
            before = len(self.tasks)
            self._step(10)
            assert len(self.tasks) < before
        assert self.slots._free == self.count
        assert not self.slots._line
        self.loop.close()


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=150, stateful_step_count=40)


async def test_a_slot_that_is_free_is_taken_without_waiting():
    slots = FairSlots(1)
    taking = slots.acquire()

    with pytest.raises(StopIteration):
        taking.send(None)


async def test_those_who_gave_up_are_not_kept():
    """Red when a cancelled waiter stays in the line until its turn comes: a stuck target would pile them up."""
    slots = FairSlots(1)
    await slots.acquire()
    waiting = [asyncio.create_task(slots.acquire()) for _ in range(10)]
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert not slots._line


async def test_who_comes_later_cannot_take_the_slot_that_was_handed_over():
    slots, order = FairSlots(1), []

    async def act(name: str) -> None:
        async with slots.turn(NOBODY):
            order.append(name)

    await slots.acquire()
    first = asyncio.create_task(act("first"))
    await asyncio.sleep(0)
    slots.release()
    await act("second")
    await first

    assert order == ["first", "second"]
