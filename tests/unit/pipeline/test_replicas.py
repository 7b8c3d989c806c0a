"""Several processes on one store: whoever has a run acts, the others wait for it or take it over, and never both."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest
from tests.unit.pipeline.acting import DONE, Job, Short, Text
from tests.unit.pipeline.pod import Pod, committed
from tests.unit.pipeline.scripted_source import P0, ScriptedSource, an_event

from automation_consumer.errors import EffectUnknownError
from automation_consumer.model.run import RunStatus
from automation_consumer.plugin import Effect, ShortAction
from automation_consumer.store.memory import MemoryJournal


@pytest.fixture
def first():
    return MemoryJournal()


@pytest.fixture
def second(first):
    return first.beside()


def a_source(*events: bytes) -> ScriptedSource:
    source = ScriptedSource()
    for event in events:
        source.put(event)
    return source


def statuses(pod: Pod) -> list[RunStatus]:
    return [run.status for run in pod.runs]


async def test_a_message_that_comes_to_two_processes_is_acted_on_once(tmp_path, first, second):
    """Red when a run that another process has open is resumed without adopting it."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(ctx):
        begun.set()
        await go.wait()
        return DONE

    action, other = Short(slow), Short()
    one = Pod(tmp_path, action, first, a_source(an_event("a")))
    two = Pod(tmp_path, other, second, a_source(an_event("a")))
    await one.start()
    await begun.wait()
    await two.start()
    await two.until(lambda: two.flow.in_hand == 1)
    go.set()
    await two.until(lambda: two.flow.in_hand == 0)
    assert (action.calls, other.calls, statuses(one)) == (["web1"], [], [RunStatus.SUCCEEDED])
    await one.stop()
    await two.stop()
    assert committed(two.source) == {P0: 1}


async def test_a_job_of_a_process_that_is_gone_is_followed_without_its_message(tmp_path, first, second):
    """Red when what others left behind is not looked for (`Recovery.watch`)."""
    one = Pod(tmp_path, Job(None), first, a_source(an_event("a")))
    job = Job(DONE, interval_s=0)
    two = Pod(tmp_path, job, second, a_source())
    await one.start()
    await two.start()
    await one.until(lambda: statuses(one) == [RunStatus.WAITING])
    first.die()
    await two.until(lambda: statuses(two) == [RunStatus.SUCCEEDED])
    assert (job.started, job.polled) == ([], ["job-1"])
    await one.flow.stop(0)
    await two.stop()


async def test_a_process_that_stands_still_may_still_act_so_nobody_starts_its_job_again(
    tmp_path, first, second
):
    """Red when a run that may be acting is adopted as soon as its process's lease is over."""
    inside, go = asyncio.Event(), asyncio.Event()

    async def stand_still(ctx):
        inside.set()
        await go.wait()

    slow, quick = Job(DONE, submits=(stand_still,), interval_s=0), Job(DONE, interval_s=0)
    one = Pod(tmp_path, slow, first, a_source(an_event("a")))
    two = Pod(tmp_path, quick, second, a_source(an_event("a")))
    await one.start()
    await inside.wait()
    first.freeze()
    await two.start()
    await two.until(lambda: two.flow.in_hand == 1)
    await asyncio.sleep(1.2)  # it has looked at least once more
    assert quick.started == []
    first.thaw()
    go.set()
    await two.until(lambda: statuses(two) == [RunStatus.SUCCEEDED] and two.flow.in_hand == 0)
    assert (len(slow.started), quick.started) == (1, [])
    await one.stop()
    await two.stop()


async def test_a_process_that_wakes_up_cannot_write_to_a_run_that_was_taken_over(tmp_path, first, second):
    """Red when a write does not name the fence."""
    slept, wake = asyncio.Event(), asyncio.Event()

    async def sleep(ctx):
        slept.set()
        await wake.wait()
        raise EffectUnknownError("it slept")

    asleep, taker = Job(sleep, interval_s=0), Job(DONE, interval_s=0)
    one = Pod(tmp_path, asleep, first, a_source(an_event("a")))
    two = Pod(tmp_path, taker, second, a_source())
    await one.start()
    await slept.wait()
    first.freeze()
    await two.start()
    await two.until(lambda: statuses(two) == [RunStatus.SUCCEEDED])
    first.thaw()
    wake.set()
    await one.until(lambda: one.flow.in_hand == 0)
    [run] = one.runs
    assert (run.status, run.owner, run.fence) == (RunStatus.SUCCEEDED, second.process, 2)
    assert not one.flow.failed.done()
    await one.stop()
    await two.stop()


async def test_without_its_lease_a_process_calls_nothing(tmp_path, first):
    """Red when `may_act` is not asked before the call."""
    action = Short()
    pod = Pod(tmp_path, action, first, a_source(an_event("a")))
    first.freeze()
    await pod.start()
    await pod.until(lambda: statuses(pod) == [RunStatus.RUNNING])
    await asyncio.sleep(0.7)  # it has tried again
    assert action.calls == []
    first.thaw()
    await pod.until(lambda: statuses(pod) == [RunStatus.SUCCEEDED])
    assert action.calls == ["web1"]
    await pod.stop()


async def test_a_later_message_waits_for_the_earlier_one_of_another_process(tmp_path, first, second):
    """Red when `busy_elsewhere` is not asked."""
    order: list[str] = []
    begun, go = asyncio.Event(), asyncio.Event()

    async def early(ctx):
        begun.set()
        await go.wait()
        order.append("first")
        return DONE

    async def late(ctx):
        order.append("second")
        return DONE

    one = Pod(tmp_path, Short(early), first, a_source(an_event("a")))
    source = a_source(an_event("a"), an_event("a"))
    source._queues[P0].popleft()  # the first message was committed: only the second one comes here
    two = Pod(tmp_path, Short(late), second, source)
    await one.start()
    await begun.wait()
    await two.start()
    await two.until(lambda: two.flow.in_hand == 1)
    await asyncio.sleep(0.1)
    assert order == []
    go.set()
    await two.until(lambda: len(order) == 2)
    assert order == ["first", "second"]
    await one.stop()
    await two.stop()


async def test_what_a_process_left_behind_comes_before_later_messages_of_its_incident(tmp_path, first):
    """Red when the journal is looked at only after Kafka."""
    one = Pod(tmp_path, Job(None), first, a_source(an_event("a")))
    await one.start()
    await one.until(lambda: statuses(one) == [RunStatus.WAITING])
    await one.stop()
    first.die()

    source = a_source(an_event("a"), an_event("a"))
    source._queues[P0].popleft()
    job = Job(None, None, DONE, interval_s=0.05)
    second = first.beside()
    two = Pod(tmp_path, job, second, source, once=True)
    await two.once()
    assert statuses(two) == [RunStatus.SUCCEEDED, RunStatus.SUCCEEDED]
    assert job.polled == ["job-1", "job-1", "job-1", "job-1"]  # three polls of the old one, then the new one
    earlier, later = two.runs
    assert earlier.ended_at <= later.created_at


async def test_what_was_not_begun_when_its_partition_went_is_left_to_the_new_owner(tmp_path, first):
    """Red when a lane goes on with messages of an assignment that is over."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(ctx):
        begun.set()
        await go.wait()
        return DONE

    action = Short(slow)
    pod = Pod(tmp_path, action, first, a_source(an_event("a"), an_event("a")))
    await pod.start()
    await begun.wait()
    pod.service.intake.lost([P0])
    go.set()
    await pod.until(lambda: pod.flow.in_hand == 0)
    assert action.calls == ["web1"]
    await pod.until(lambda: pod.service.intake.in_flight == 0)  # or it would take room for ever
    await pod.stop()
    assert committed(pod.source) == {}
    second = first.beside()
    await pod.until(lambda: True)
    assert not await second.busy_elsewhere("a", pod.source.put(an_event("a")))


async def test_the_journal_being_away_stops_nothing_for_good(tmp_path, first):
    """Red when something acts before its intent is written."""
    action = Short()
    pod = Pod(tmp_path, action, first, a_source(an_event("a")))
    await pod.start()
    first.go_away()
    pod.source.put(an_event("b"))
    await asyncio.sleep(0.2)
    calls = len(action.calls)
    assert calls == len([run for run in pod.runs if run.status is not RunStatus.RUNNING])
    first.come_back()
    await pod.until(lambda: len(action.calls) == 2 and pod.flow.in_hand == 0)
    assert set(statuses(pod)) == {RunStatus.SUCCEEDED}
    await pod.stop()


async def test_a_lock_is_held_across_processes(tmp_path, first, second):
    """Red when the lock is this process's own only."""
    config = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: it, type: short, text: x, lock: "host:{{ host }}"}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [it]}
"""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(ctx):
        begun.set()
        await go.wait()
        return DONE

    other = Short()
    one = Pod(tmp_path, Short(slow), first, a_source(an_event("a")), config=config)
    two = Pod(tmp_path, other, second, a_source(an_event("b")), config=config)
    await one.start()
    await begun.wait()
    await two.start()
    await two.until(lambda: two.flow.in_hand == 1)
    await asyncio.sleep(0.1)
    assert other.calls == []
    go.set()
    await two.until(lambda: two.flow.in_hand == 0)
    assert other.calls == ["x"]
    await one.stop()
    await two.stop()


async def test_a_message_with_several_incidents_that_has_begun_is_handled_to_its_end(tmp_path, first, second):
    """Red when the incidents that have not begun are let go: the message would be in hand here for ever."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(ctx):
        if ctx.incident.id == "a" and not go.is_set():
            begun.set()
            await go.wait()
        return DONE

    held = asyncio.Event()

    async def each(ctx):
        if ctx.incident.id == "b" and not go.is_set():
            await held.wait()
        return await slow(ctx)

    both = an_event("a") + b"\n" + an_event("b")
    pod = Pod(tmp_path, Short(each), first, a_source(an_event("b"), both), config=SLOTS)
    pod.service.intake._form = pod.flow._form = Lines(pod.flow._form)
    await pod.start()
    await begun.wait()
    pod.service.intake.lost([P0])
    go.set()
    held.set()
    await pod.until(lambda: pod.flow.in_hand == 0)
    later = pod.source.put(an_event("b"))
    await asyncio.to_thread(first.remembered, [P0])
    assert not await second.busy_elsewhere("b", later)
    await pod.stop()


async def test_of_what_was_left_behind_the_oldest_comes_first(tmp_path, first):
    """Red when a message is taken up although an earlier one of its incident is still in another's hand."""
    order: list[int] = []

    async def note(ctx):
        order.append(int(ctx.incident.description))
        return DONE

    stand = Job(None)
    one = Pod(tmp_path, stand, first, a_source(numbered("a", 0)))
    second = first.beside()
    source = a_source(numbered("a", 0), numbered("a", 1))
    source._queues[P0].popleft()
    two = Pod(tmp_path, Job(None), second, source)
    await one.start()
    await one.until(lambda: len(one.runs) == 1)
    second.busy_elsewhere = never  # type: ignore[method-assign] - as if it had begun before
    await two.start()
    await two.until(lambda: len(two.runs) == 2)

    third = first.beside()
    second.die()
    job = Job(note, interval_s=0)
    three = Pod(tmp_path, job, third, a_source())
    await three.start()
    await asyncio.sleep(0.1)
    assert order == []
    first.die()
    await three.until(lambda: len(order) == 2)
    assert order == [0, 1]
    await three.stop()
    for pod in (one, two):
        await pod.flow.stop(0)


async def test_over_a_restart_a_lock_stays_with_the_run_whose_job_goes_on(tmp_path, first):
    """Red when a stop gives the lock back, or the lock is this process's own only: two jobs would run on one host."""
    config = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: it, type: job, text: x, lock: "host:{{ host }}"}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [it]}
"""
    one = Pod(tmp_path, Job(None), first, a_source(an_event("a")), config=config)
    await one.start()
    await one.until(lambda: statuses(one) == [RunStatus.WAITING])
    await one.stop()
    first.die()

    job = Job(None, interval_s=0.05)
    second = first.beside()
    two = Pod(tmp_path, job, second, a_source(an_event("b")), config=config)
    two.flow.start(lambda: two.source)  # the new one comes first
    await two.until(lambda: two.flow.in_hand == 1)
    await asyncio.sleep(0.2)
    assert job.started == []
    await two.recovery.at_start()
    await two.until(lambda: len(job.polled) > 1)
    assert job.started == []
    job._polls[:] = [DONE]
    await two.until(lambda: statuses(two) == [RunStatus.SUCCEEDED] * 2)
    assert len(job.started) == 1
    await two.stop()


class Lines:
    """A format with an incident on each line."""

    def __init__(self, form) -> None:
        self._form = form

    def decode(self, message):
        lines = [msgspec.structs.replace(message, value=line) for line in message.value.split(b"\n")]
        return tuple(incident for line in lines for incident in self._form.decode(line))


async def never(incident_id, message):
    return False


def numbered(incident_id: str, number: int) -> bytes:
    return an_event(incident_id).replace(b'"active"', b'"description":"%d","active"' % number, 1)


SLOTS = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions: [{name: it, type: short, text: x}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [it], rerun: always}
"""


async def test_a_dry_run_leaves_nothing_to_take_up(tmp_path, first):
    """Red when a dry run writes its messages down: the next real process would act on them."""
    pod = Pod(tmp_path, Short(), first, a_source(an_event("a")), once=True, dry_run=True)
    pod.flow.start(lambda: pod.source)
    await pod.until(lambda: statuses(pod) == [RunStatus.PREVIEWED])
    await pod.stop()
    first.die()
    assert await first.beside().orphans(10) == []


class Blocking(ShortAction[Text]):
    """Takes a thread until the test lets go."""

    type = "blocking"
    Params = Text
    effect = Effect.CHANGE

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()

    def run(self, ctx, params):
        self.entered.set()
        self.go.wait(20)
        return DONE


async def test_an_intent_of_an_earlier_term_is_written_again_before_the_call(tmp_path, first):
    """While it waited for a thread the lease ran out and came back: another process may have had the run meanwhile."""
    config = """
version: 1
kafka: {topics: [incidents], format: bigpanda}
limits: {worker_threads: 1}
actions: [{name: it, type: blocking, text: x}]
incident_conditions:
  - {name: critical, match: {status: critical}, alert_actions: [it]}
"""
    action = Blocking()
    pod = Pod(tmp_path, action, first, a_source(an_event("a"), an_event("b")), config=config)
    await pod.start()
    await pod.until(lambda: action.entered.is_set() and len(pod.runs) == 2)
    first.freeze()
    first.thaw()
    action.go.set()
    await pod.until(lambda: pod.flow.in_hand == 0)
    written = sorted([str(change.status) for change in first.changes[run.id]] for run in pod.runs)
    assert written == [["running", "running", "succeeded"], ["running", "succeeded"]]
    await pod.stop()
