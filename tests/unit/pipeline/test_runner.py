"""Runs beside each other: slots, locks, parking, joining, nesting; and what the gate keeps from acting."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pipeline.acting import DONE, Job, Short

from automation_consumer.errors import TemporaryError
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import Phase, RunStatus
from automation_consumer.pipeline.pauses import ParkedError
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock, an_alert, an_incident
from automation_consumer.testing.run import Bench


class Hold:
    """An action's step that lasts until the test lets it go."""

    def __init__(self) -> None:
        self.entered = 0
        self.most = 0
        self._inside = 0
        self._go = asyncio.Event()

    async def __call__(self, ctx):
        self.entered += 1
        self._inside += 1
        self.most = max(self.most, self._inside)
        await self._go.wait()
        self._inside -= 1
        return DONE

    def let_go(self) -> None:
        self._go.set()


def statuses(bench) -> list[RunStatus]:
    return [run.status for run in bench.journal.runs.values()]


def started(bench, name: str, offset: int = 0, **plan):
    return asyncio.create_task(bench.runner.run(bench.plan(name, offset=offset, **plan)))


async def test_the_intent_is_written_only_when_a_slot_is_there():
    clock, hold = FakeClock(), Hold()
    bench = Bench({"it": (Short(hold), {})}, clock=clock, slots=2)
    tasks = [started(bench, "it", offset) for offset in range(5)]
    await clock.settle()
    assert hold.entered == 2
    assert statuses(bench) == [RunStatus.RUNNING] * 2  # the others have left no trace: nothing to look up
    hold.let_go()
    assert [result.status for result in await asyncio.gather(*tasks)] == [RunStatus.SUCCEEDED] * 5
    assert hold.most == 2
    bench.close()


async def test_a_job_that_is_waited_for_holds_no_slot():
    clock = FakeClock()
    bench = Bench({"it": (Job(DONE), {})}, clock=clock, slots=1)
    tasks = [started(bench, "it", offset) for offset in range(20)]
    await clock.settle()
    assert statuses(bench) == [RunStatus.WAITING] * 20
    await clock.advance(30)
    assert all(task.done() for task in tasks)
    assert statuses(bench) == [RunStatus.SUCCEEDED] * 20
    bench.close()


async def test_a_retry_that_is_waited_for_holds_no_slot():
    clock = FakeClock()
    actions = {
        "bad": (Short(TemporaryError("busy"), name="bad"), {"retry_count": 1, "retry_delay": 1}),
        "good": (Short(name="good"), {}),
    }
    bench = Bench(actions, clock=clock, slots=1)
    bad = started(bench, "bad")
    await clock.settle()
    assert statuses(bench) == [RunStatus.RETRYING]
    good = started(bench, "good")
    await clock.settle()
    assert good.done()
    await clock.advance(10)
    assert (await bad).status is RunStatus.FAILED
    bench.close()


async def test_parking_leaves_what_waits_open_and_starts_nothing():
    clock = FakeClock()
    job = Job(None)
    actions = {
        "job": (job, {}),
        "retry": (Short(TemporaryError("busy"), name="retry"), {"retry_count": 1, "retry_delay": 1}),
        "late": (Short(name="late"), {}),
    }
    bench = Bench(actions, clock=clock)
    waiting = [started(bench, "job"), started(bench, "retry")]
    await clock.settle()
    bench.engine.pauses.park()
    late = started(bench, "late")
    results = await asyncio.gather(*waiting, late, return_exceptions=True)
    assert [type(result) for result in results] == [ParkedError] * 3
    assert statuses(bench) == [RunStatus.WAITING, RunStatus.RETRYING]
    assert job.cancelled == []
    bench.close()


async def test_parking_lets_an_action_finish_that_acts():
    clock, hold = FakeClock(), Hold()
    bench = Bench({"it": (Short(hold), {})}, clock=clock, slots=1)
    acting, queued = started(bench, "it", 0), started(bench, "it", 1)
    await clock.settle()
    bench.engine.pauses.park()
    await clock.settle()
    hold.let_go()
    assert (await acting).status is RunStatus.SUCCEEDED
    with pytest.raises(ParkedError):
        await queued
    assert statuses(bench) == [RunStatus.SUCCEEDED]
    bench.close()


async def test_a_task_that_is_cancelled_for_another_reason_is_not_taken_for_parked():
    clock = FakeClock()
    bench = Bench({"it": (Job(None), {})}, clock=clock)
    task = started(bench, "it")
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert statuses(bench) == [RunStatus.WAITING]
    bench.close()


async def test_a_run_under_way_is_joined():
    clock, hold = FakeClock(), Hold()
    bench = Bench({"it": (Short(hold), {})}, clock=clock)
    first, second = started(bench, "it"), started(bench, "it")
    await clock.settle()
    hold.let_go()
    assert await first == await second
    assert hold.entered == 1
    bench.close()


async def test_who_has_joined_is_parked_with_it():
    clock = FakeClock()
    bench = Bench({"it": (Job(None), {})}, clock=clock)
    tasks = [started(bench, "it"), started(bench, "it")]
    await clock.settle()
    bench.engine.pauses.park()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ParkedError] * 2
    bench.close()


async def test_runs_with_the_same_lock_go_one_at_a_time_and_others_do_not_wait():
    clock, hold = FakeClock(), Hold()
    bench = Bench({"it": (Short(hold), {"lock": "host-{{ host }}"})}, clock=clock)
    web1, web2 = an_alert("a", host="web1"), an_alert("b", host="web2")
    tasks = [started(bench, "it", 0, alert=web1), started(bench, "it", 1, alert=web1)]
    tasks.append(started(bench, "it", 2, alert=web2))
    await clock.settle()
    assert hold.entered == 2
    hold.let_go()
    await asyncio.gather(*tasks)
    assert hold.most == 2
    assert hold.entered == 3
    bench.close()


async def test_a_lock_is_held_until_the_job_has_ended():
    clock = FakeClock()
    job = Job(None, DONE, DONE, interval_s=30)
    bench = Bench({"it": (job, {"lock": "one"})}, clock=clock)
    tasks = [started(bench, "it", 0), started(bench, "it", 1)]
    await clock.advance(59)
    assert len(job.started) == 1
    await clock.advance(1)
    assert len(job.started) == 2
    await clock.advance(30)
    assert all(task.done() for task in tasks)
    bench.close()


async def test_a_lock_that_cannot_be_rendered_fails_the_run():
    action = Short()
    bench = Bench({"it": (action, {"lock": "{{ nowhere }}"})})
    result = await bench.runner.run(bench.plan("it"))
    assert result.status is RunStatus.FAILED
    assert "nowhere" in result.message
    assert action.calls == []
    bench.close()


async def test_an_action_runs_another_one_through_the_same_gate_and_journal():
    async def outer(ctx):
        good = await ctx.run_action("inner")
        off = await ctx.run_action("off")
        return Outcome.success("both", data={"good": good.ok, "off": off.data["status"]})

    actions = {
        "outer": (Short(outer, name="outer"), {}),
        "inner": (Short(name="inner"), {"text": "{{ host }}"}),
        "off": (Short(name="off"), {"enabled": False}),
    }
    bench = Bench(actions)
    result = await bench.runner.run(bench.plan("outer", alert=an_alert(host="web9")))
    assert result.status is RunStatus.SUCCEEDED
    runs = {run.action: run for run in bench.journal.runs.values()}
    assert runs["outer"].data == {"good": True, "off": "skipped"}
    assert runs["inner"].params == {"text": "web9"}
    assert len({run.id for run in runs.values()}) == 3
    bench.close()


@pytest.mark.parametrize("other", ["outer", "nobody"])
async def test_an_action_that_runs_itself_or_nobody_fails(other):
    async def outer(ctx):
        return await ctx.run_action(other)

    bench = Bench({"outer": (Short(outer, name="outer"), {})})
    result = await bench.runner.run(bench.plan("outer"))
    assert result.status is RunStatus.FAILED
    assert other in result.message
    bench.close()


# --- the gate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "check"), [({"enabled": False}, "enabled"), ({"when": "host == 'db1'"}, "when")]
)
async def test_what_is_denied_is_recorded_and_harmless(fields, check):
    action = Short()
    bench = Bench({"it": (action, fields)})
    result = await bench.runner.run(bench.plan("it", alert=an_alert()))
    assert (result.status, result.ok) == (RunStatus.SKIPPED, True)
    [run] = bench.journal.runs.values()
    assert run.data == {"check": check, "then": "go-on"}
    assert run.reason.startswith(f"{check}: ")
    assert run.ended_at == run.created_at
    assert action.calls == []
    assert bench.metrics.gate_denied.labels(check)._value.get() == 1
    bench.close()


async def test_when_lets_through_what_it_holds_for():
    action = Short()
    bench = Bench({"it": (action, {"when": "host == 'web1'"})})
    assert (await bench.runner.run(bench.plan("it", alert=an_alert()))).status is RunStatus.SUCCEEDED
    bench.close()


async def test_a_when_that_cannot_be_evaluated_fails_the_run():
    action = Short()
    bench = Bench({"it": (action, {"when": "nowhere > 3"})})
    assert (await bench.runner.run(bench.plan("it"))).status is RunStatus.FAILED
    assert action.calls == []
    bench.close()


async def after_one(fields, rule="never", first=DONE, second_incident=None, pause_s=0.0, phase=Phase.ALERT):
    """The status of a second message's run after a first one, and the action's calls."""
    clock, journal = FakeClock(auto=True), MemoryJournal()
    action = Short(first, DONE)
    bench = Bench({"it": (action, fields)}, clock=clock, journal=journal, condition={"rerun": rule})
    incident = an_incident(alerts=[an_alert()])
    await bench.runner.run(bench.plan("it", incident, alert=incident.alerts[0], phase=phase))
    await clock.sleep(pause_s)
    again = second_incident or incident
    history = await journal.live_runs(again.id)
    plan = bench.plan("it", again, alert=again.alerts[0], phase=phase, offset=1, history=history)
    result = await bench.runner.run(plan)
    bench.close()
    return result.status, len(action.calls)


WORSE = an_incident(alerts=[an_alert(description="disk 99 % full")])
OTHER = an_incident("INC-2")


@pytest.mark.parametrize(
    ("rule", "again", "pause_s", "calls"),
    [
        ("never", None, 1e6, 1),
        ("never", WORSE, 0, 1),
        ("never", OTHER, 0, 2),
        ("on_change", None, 0, 1),
        ("on_change", WORSE, 0, 2),
        ("always", None, 0, 2),
        ("after:10m", None, 599, 1),
        ("after:10m", None, 600, 2),
    ],
)
async def test_the_rerun_rules(rule, again, pause_s, calls):
    status, called = await after_one({}, rule, second_incident=again, pause_s=pause_s)
    assert called == calls
    assert status is (RunStatus.SUCCEEDED if calls == 2 else RunStatus.SKIPPED)


async def test_what_failed_is_run_again():
    assert await after_one({}, first=Outcome.failure("no")) == (RunStatus.SUCCEEDED, 2)


async def test_a_check_is_asked_every_time():
    assert await after_one({}, phase=Phase.CHECK) == (RunStatus.SUCCEEDED, 2)


@pytest.mark.parametrize(("pause_s", "calls"), [(299, 1), (300, 2)])
async def test_cooldown_is_about_the_host_whatever_the_incident(pause_s, calls):
    _, called = await after_one({"cooldown": "5m"}, "always", second_incident=OTHER, pause_s=pause_s)
    assert called == calls


async def test_cooldown_leaves_other_hosts_alone():
    other = an_incident("INC-2", alerts=[an_alert(host="web2")])
    assert await after_one({"cooldown": "5m"}, second_incident=other) == (RunStatus.SUCCEEDED, 2)
