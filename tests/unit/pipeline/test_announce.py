"""The outcome topic on the embedded broker: everything is told, at least once, in order, under a stable id."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition
from jsonschema import Draft202012Validator
from msgspec import json
from prometheus_client import CollectorRegistry
from tests.unit.pipeline.acting import Short

from automation_consumer.cli.reference.outcomes import outcome_schema
from automation_consumer.errors import StoreError
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.metrics import Metrics
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.model.switch import Request, Wish
from automation_consumer.pipeline.announce import BATCH, Announcer
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.pipeline.pauses import ParkedError
from automation_consumer.pipeline.work import Retry, Taken, Work
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing import FakeClock, an_incident
from automation_consumer.testing.run import Bench

SCHEMA = Draft202012Validator(outcome_schema())
PATIENCE_S = 20
AWAY = {"bootstrap.servers": "127.0.0.1:9", "message.timeout.ms": 200}
"""A producer's settings for a broker that is not there."""


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"outcomes": 1}) as running:
        yield running


@pytest.fixture
def producer(broker) -> Iterator[KafkaProducer]:
    made = KafkaProducer({"bootstrap.servers": broker.address, "linger.ms": 0})
    yield made
    made.close()


def a_run(run_id: str = "r1", **changes) -> Run:
    fields = {
        "status": RunStatus.RUNNING,
        "incident_id": "INC-1",
        "alert_id": "a1",
        "condition": "oozie",
        "phase": Phase.ALERT,
        "action": "rerun",
        "action_type": "screwdriver",
        "subject": "oozie/INC-1/a1/rerun",
        "digest": "d1",
        "rule": "config.yaml:10",
        "config_version": "v1",
        "topic": "incidents",
        "partition": 0,
        "offset": 7,
        "created_at": 100.0,
        "target": "web1",
    }
    return Run(run_id, **{**fields, **changes})


def told(broker: EmbeddedBroker) -> list[tuple[bytes, dict]]:
    """Every event on the topic now, with its key. Each is one that the schema allows."""
    reader = Consumer({**broker.client_settings, "group.id": "reader", "enable.partition.eof": True})
    found = []
    try:
        reader.assign([TopicPartition("outcomes", 0, 0)])
        end = time.monotonic() + PATIENCE_S
        while (message := reader.poll(1)) is None or message.error() is None:
            assert time.monotonic() < end
            if message is not None:
                event = json.decode(message.value())
                SCHEMA.validate(event)
                found.append((message.key(), event))
    finally:
        reader.close()
    return found


def ids(broker: EmbeddedBroker) -> list[str]:
    return [event["event_id"] for _, event in told(broker)]


class Desk:
    """An announcer and what it stands on."""

    def __init__(self, producer: KafkaProducer | None, journal=None, *, topic="outcomes", **rest) -> None:
        self.journal = journal or MemoryJournal(announces=True)
        self.metrics = Metrics(CollectorRegistry())
        self.failed: list[BaseException] = []
        rest = {"sweep_s": 0.05, "retry_s": 0.05, **rest}
        self.announcer = Announcer(topic, producer, self.journal, FakeClock(auto=True), self.metrics, **rest)

    def start(self) -> Desk:
        self.announcer.start(self.failed.append)
        return self

    async def end(self, *run_ids: str, **changes) -> list[Run]:
        """Runs that begin and fail."""
        runs = []
        for at, run_id in enumerate(run_ids):
            run = await self.journal.open(a_run(run_id, **changes))
            assert await self.journal.change(run, RunStatus.FAILED, 101.0 + at, ended_at=101.0 + at)
            runs.append(run)
        return runs

    async def delivered(self) -> None:
        """Wait until the journal has nothing that is not told."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.journal.unannounced(1):
                await asyncio.sleep(0.01)

    def counted(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0


def work(incident: str = "INC-1", retry: Retry | None = None) -> Work:
    """A message that a condition has taken."""
    bench = Bench({"short": (Short(), {})})
    found = an_incident(incident)
    taken = Taken(Message("incidents", 1, 7, b"", timestamp_ms=5), 1, 1)
    made = Work(taken, found, (Match("test", found, found.alerts),), bench.ruleset, retry)
    bench.close()
    return made


# --- runs ----------------------------------------------------------------------------------------------------------


async def test_an_ended_run_is_told_under_its_incident_and_then_the_journal_forgets_it(broker, producer):
    """Red when `announced` is not called (the journal keeps it), or without `_news.set()` in `ended` (sweep of 60 s)."""
    desk = Desk(producer, sweep_s=60).start()
    await asyncio.sleep(0.1)  # it has looked once, and sleeps
    [run] = await desk.end("r1", reason="before")
    desk.announcer.ended(run)
    await desk.delivered()
    assert await desk.announcer.stop(5)
    [(key, event)] = told(broker)
    assert key == b"INC-1"
    assert event == {
        "kind": "run",
        "event_id": "r1-failed",
        "version": 1,
        "at": "1970-01-01T00:01:41.000Z",
        "message": {"topic": "incidents", "partition": 0, "offset": 7},
        "run": "r1",
        "status": "failed",
        "check": None,
        "reason": "before",
        "url": None,
        "incident": "INC-1",
        "alert": "a1",
        "target": "web1",
        "condition": "oozie",
        "phase": "alert",
        "action": "rerun",
        "action_type": "screwdriver",
        "attempt": 1,
        "started_at": "1970-01-01T00:01:40.000Z",
        "rule": "config.yaml:10",
        "config_version": "v1",
    }
    assert desk.counted("automation_outcome_events_total") == 1


async def test_what_a_process_had_not_told_when_it_died_is_told_by_the_next(broker, producer):
    """Red when the announcer sends what `ended` gives it instead of what the journal has."""
    killed = Desk(None)
    await killed.end("r1")
    killed.journal.die()
    desk = Desk(producer, killed.journal.beside(announces=True)).start()
    await desk.delivered()
    await desk.announcer.stop(5)
    assert ids(broker) == ["r1-failed"]


async def test_what_another_process_has_is_left_to_it_until_it_is_gone(broker, producer):
    other = Desk(None)
    await other.end("r1")
    desk = Desk(producer, other.journal.beside(announces=True)).start()
    await desk.end("r2")
    await desk.delivered()
    assert ids(broker) == ["r2-failed"]
    other.journal.die()
    await desk.delivered()  # found by the sweep: nobody says that it is gone
    await desk.announcer.stop(5)
    assert ids(broker) == ["r2-failed", "r1-failed"]


async def test_a_crash_after_the_delivery_and_before_the_journal_knows_repeats_the_same_id(broker, producer):
    """Red when the id is made anew each time, or the journal is told before the delivery (then it comes once)."""
    delivered = asyncio.Event()

    class Cut(MemoryJournal):
        async def announced(self, run_ids):
            delivered.set()
            await asyncio.Event().wait()

    killed = Desk(producer, Cut(announces=True))
    await killed.end("r1")
    killed.start()
    async with asyncio.timeout(PATIENCE_S):
        await delivered.wait()
    assert not await killed.announcer.stop(0)
    killed.journal.die()
    again = Desk(producer, killed.journal.beside(announces=True)).start()
    await again.delivered()
    await again.announcer.stop(5)
    assert ids(broker) == ["r1-failed", "r1-failed"]


async def test_more_than_one_batch_comes_whole_and_in_order(broker, producer):
    """Red when the round ends after its first batch."""
    count = BATCH * 2 + 7
    desk = Desk(producer, sweep_s=60)
    await desk.end(*(f"r{number:05}" for number in range(count)))
    desk.start()
    await desk.delivered()
    await desk.announcer.stop(5)
    assert ids(broker) == [f"r{number:05}-failed" for number in range(count)]


async def test_no_more_than_a_batch_is_asked_for(producer):
    asked = []

    class Watched(MemoryJournal):
        async def unannounced(self, limit):
            found = await super().unannounced(limit)
            asked.append(len(found))
            return found

    desk = Desk(producer, Watched(announces=True))
    await desk.end(*(f"r{number}" for number in range(BATCH + 1)))
    desk.start()
    assert await desk.announcer.stop(PATIENCE_S)
    assert max(asked) == BATCH


async def test_a_denied_run_says_which_check(broker, producer):
    desk = Desk(producer).start()
    skipped = a_run(
        "r1", status=RunStatus.SKIPPED, ended_at=100.0, reason="cooldown: 3 s", data={"check": "cooldown"}
    )
    await desk.journal.open(skipped)
    await desk.delivered()
    await desk.announcer.stop(5)
    [(_, event)] = told(broker)
    assert (event["status"], event["check"], event["reason"]) == ("skipped", "cooldown", "cooldown: 3 s")


async def test_secrets_are_masked(broker, producer):
    """Red without `mask` around the texts."""
    desk = Desk(producer, mask=lambda text: text.replace("hunter2", "***")).start()
    await desk.end("r1", reason="hunter2", url="https://hunter2/", alert_id="hunter2", target="hunter2")
    await desk.delivered()
    await desk.announcer.stop(5)
    [(_, event)] = told(broker)
    assert "hunter2" not in str(event)
    assert event["url"] == "https://***/"


# --- conditions and poison -----------------------------------------------------------------------------------------


async def test_a_condition_returns_when_it_is_told_and_comes_after_its_runs(broker, producer):
    """Red when `_round` sends those who wait before the runs, or `condition` does not wait."""
    desk = Desk(producer)
    await desk.end("r1", "r2")
    desk.start()
    async with asyncio.timeout(PATIENCE_S):
        await desk.announcer.condition(work(), "test", ConditionResult.PARTIAL)
    found = told(broker)  # at once: it is there already
    assert [event["kind"] for _, event in found] == ["run", "run", "condition"]
    key, event = found[2]
    assert (key, event["incident"], event["result"], event["alerts"]) == (b"INC-1", "INC-1", "partial", 1)
    assert event["message"] == {"topic": "incidents", "partition": 1, "offset": 7}
    await desk.announcer.stop(5)


async def test_the_id_of_a_condition_is_that_of_message_condition_and_result(broker, producer):
    desk = Desk(producer).start()
    request = Request("q1", Wish.RETRY, "r1", "ops", 100.0)
    told_of = [
        (work(), ConditionResult.FAILED),
        (work(), ConditionResult.FAILED),  # its message came again
        (work(), ConditionResult.SUCCEEDED),
        (work("INC-2"), ConditionResult.FAILED),
        (work(retry=Retry(a_run(), request)), ConditionResult.FAILED),  # news, though it ends as before
    ]
    async with asyncio.timeout(PATIENCE_S):
        for each, result in told_of:
            await desk.announcer.condition(each, "test", result)
    await desk.announcer.stop(5)
    found = ids(broker)
    assert found[0] == found[1]
    assert len(set(found)) == 4


async def test_poison_is_told_from_any_thread_and_then_its_message_is_finished(broker, producer):
    """Red when `then` is called before the delivery (the topic is still empty)."""
    desk = Desk(producer).start()
    finished = asyncio.Event()
    seen: list[str] = []

    def then() -> None:
        seen.extend(event["reason"] for _, event in told(broker))
        finished.set()

    message = Message("incidents", 0, 3, b"{", timestamp_ms=5)
    thread = threading.Thread(target=desk.announcer.poison, args=(message, "not-json", "line \ud800 1", then))
    thread.start()
    async with asyncio.timeout(PATIENCE_S):
        await finished.wait()
    thread.join()
    await desk.announcer.stop(5)
    assert seen == ["not-json"]
    [(key, event)] = told(broker)
    assert (key, event["detail"]) == (b"incidents[0]@3", "line ? 1")


# --- the broker is away --------------------------------------------------------------------------------------------


async def test_what_the_producer_does_not_take_now_is_tried_until_it_does(broker, caplog):
    """Red when what failed is called announced, or its waiter is let go."""
    crowded = KafkaProducer(
        {"bootstrap.servers": broker.address, "queue.buffering.max.messages": 1, "linger.ms": 20_000}
    )
    crowded.enqueue("outcomes", b"{}")  # in the way
    desk = Desk(crowded)
    await desk.end("r1")
    desk.start()
    waiting = asyncio.create_task(desk.announcer.condition(work(), "test", ConditionResult.FAILED))
    async with asyncio.timeout(PATIENCE_S):
        while desk.counted("automation_outcome_failures_total") < 2:
            await asyncio.sleep(0.01)
    assert not waiting.done()
    assert [run.id for run in await desk.journal.unannounced(9)] == ["r1"]
    assert "none is lost" in caplog.text
    flushing = asyncio.create_task(_flush(crowded, waiting))
    async with asyncio.timeout(PATIENCE_S):
        await waiting
    await flushing
    assert not await desk.journal.unannounced(9)
    await desk.announcer.stop(5)
    crowded.close()


async def _flush(producer: KafkaProducer, until: asyncio.Task) -> None:
    while not until.done():
        await asyncio.to_thread(producer.flush, 0.1)


async def test_who_waits_is_not_let_go_by_a_failed_delivery():
    """Red when a waiter whose event failed is told that it is delivered: the offset would move over it."""
    away = KafkaProducer(AWAY)
    desk = Desk(away).start()
    waiting = asyncio.create_task(desk.announcer.condition(work(), "test", ConditionResult.FAILED))
    async with asyncio.timeout(PATIENCE_S):
        while desk.counted("automation_outcome_failures_total") < 2:
            await asyncio.sleep(0.01)
    assert not waiting.done()
    assert not await desk.announcer.stop(0)
    with pytest.raises(ParkedError):
        await waiting
    away.close(0)


async def test_a_stop_sends_what_is_left(broker, producer):
    """Red when `stop` cancels at once: the last run is not told."""
    desk = Desk(producer, sweep_s=60).start()
    await asyncio.sleep(0.1)
    await desk.end("r1")  # nobody says so
    assert await desk.announcer.stop(PATIENCE_S)
    assert ids(broker) == ["r1-failed"]
    assert await desk.announcer.stop(1)


async def test_a_stop_without_a_broker_ends_in_time_and_loses_nothing(caplog):
    """Red when `stop` leaves those who wait waiting."""
    away = KafkaProducer(AWAY)
    desk = Desk(away).start()
    await desk.end("r1")
    waiting = asyncio.create_task(desk.announcer.condition(work(), "test", ConditionResult.FAILED))
    finished: list[int] = []
    desk.announcer.poison(Message("incidents", 0, 3, b"{"), "not-json", "", lambda: finished.append(1))
    await asyncio.sleep(0)
    began = time.monotonic()
    assert not await desk.announcer.stop(0.5)
    assert time.monotonic() - began < 5
    with pytest.raises(ParkedError):
        async with asyncio.timeout(PATIENCE_S):
            await waiting
    with pytest.raises(ParkedError):  # later ones need not wait for ever either
        await desk.announcer.condition(work(), "test", ConditionResult.FAILED)
    assert finished == []  # its message comes again
    assert [run.id for run in await desk.journal.unannounced(9)] == ["r1"]
    assert "sent after the next start" in caplog.text
    away.close(0)


async def test_while_the_database_is_away_it_waits(broker, producer):
    desk = Desk(producer)
    await desk.end("r1")
    desk.journal.go_away()
    desk.start()
    await asyncio.sleep(0.1)
    assert told(broker) == []
    desk.journal.come_back()
    await desk.delivered()
    await desk.announcer.stop(5)
    assert ids(broker) == ["r1-failed"]


async def test_a_journal_that_cannot_go_on_fails_the_service_and_nobody_waits_for_ever(producer):
    class Broken(MemoryJournal):
        async def unannounced(self, limit):
            raise StoreError("the journal is closed")

    desk = Desk(producer, Broken(announces=True)).start()
    with pytest.raises(ParkedError):
        async with asyncio.timeout(PATIENCE_S):
            await desk.announcer.condition(work(), "test", ConditionResult.FAILED)
    assert [type(error) for error in desk.failed] == [StoreError]
    assert not await desk.announcer.stop(1)


# --- without a topic -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", [None, "outcomes"])
async def test_without_a_topic_or_a_producer_nobody_waits(topic):
    desk = Desk(None, topic=topic).start()
    [run] = await desk.end("r1")
    desk.announcer.ended(run)
    await desk.announcer.condition(work(), "test", ConditionResult.FAILED)
    finished: list[int] = []
    desk.announcer.poison(Message("incidents", 0, 3, b"{"), "not-json", "", lambda: finished.append(1))
    assert finished == [1]
    assert not desk.announcer.active
    assert await desk.announcer.stop(0)
