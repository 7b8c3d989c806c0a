"""Requeueing on a real Apache Kafka: the suite, what the embedded broker does not do, and the whole way through the service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from tests.acceptance.pod import COMMAND, Pod, incident
from tests.conftest import MakeTopic
from tests.unit.sources.kafka.requeue_suite import EVERYTHING, RequeueSuite, World

from automation_consumer.errors import BrokerError, PermanentError
from automation_consumer.integrations.kafka_transactions import Outgoing, TransactionalProducer
from automation_consumer.sources.kafka.dead_letter_topic import DeadLetterTopic
from automation_consumer.sources.kafka.dead_letters import LetterId
from automation_consumer.sources.kafka.requeue import Requeue, Result

pytestmark = pytest.mark.server


class Real:
    """The real broker as the suite wants it."""

    def __init__(self, address: str, make: MakeTopic) -> None:
        self.address = address
        self.settings: dict[str, Any] = {"bootstrap.servers": address}
        self.topic = make


class TestOnARealBroker(RequeueSuite):
    """The whole suite, and fencing."""

    @pytest.fixture
    def broker(self, kafka: str, topic: MakeTopic) -> Real:
        return Real(kafka, topic)

    def test_of_two_at_once_the_later_wins_and_nothing_is_sent_twice(self, world: World) -> None:
        """Red when each has a transactional.id of its own."""
        letters = {world.bury() for _ in range(3)}
        with DeadLetterTopic(world.settings, world.letters) as topic:
            early = Requeue(world.settings, topic, world.clock)
            going = early.run(EVERYTHING)
            # The early one has looked and found no mark; then the late one comes.
            early._topic = Interrupted(topic, lambda: told.update(world.results()))  # type: ignore[assignment]
            told: dict[LetterId, Result] = {}
            with pytest.raises(BrokerError, match="another process"):
                list(going)
            early.close()
        assert told == dict.fromkeys(letters, Result.REQUEUED)
        assert len(world.sent()) == 3

    def test_many_at_once_send_each_once(self, world: World) -> None:
        """Red when the marks are read before the earlier ones are put out."""
        letters = {world.bury() for _ in range(20)}

        def go() -> None:
            with suppress(BrokerError):  # put out by another
                world.requeue()

        threads = [threading.Thread(target=go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.requeue()
        sent = [dict(message.headers())["automation.requeued_from"] for message in world.sent()]
        assert len(sent) == len(set(sent)) == len(letters)

    def test_who_is_put_out_at_any_moment_is_told_so(self, world: World) -> None:
        """Red when `SystemError` is not caught: some ended with one of the client instead of this refusal."""
        for _ in range(60):
            world.bury()
        errors: list[Exception] = []

        def go() -> None:
            try:
                world.requeue()
            except Exception as error:  # noqa: BLE001 - this is the question: which error is it?
                errors.append(error)

        for _ in range(4):
            threads = [threading.Thread(target=go) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [error for error in errors if "another process" not in str(error)] == []

    def test_what_was_not_committed_was_not_sent(self, world: World) -> None:
        """Red when the message is sent outside of the mark's transaction, or uncommitted records are read."""
        letter = world.bury()
        died = TransactionalProducer(world.settings, f"automation-consumer.requeue.{world.letters}")
        died._producer.begin_transaction()
        died._producer.produce(world.topic, b"half", partition=0)
        died._producer.produce(
            world.letters, None, partition=0, headers=[("automation.requeued", str(letter).encode())]
        )
        died._producer.flush(10)
        assert world.results() == {letter: Result.REQUEUED}
        assert [message.value() for message in world.sent()] == [b"{"]

    def test_a_transaction_is_sent_whole_or_not_at_all(self, world: World) -> None:
        """Red when what a refused record stands beside is committed."""
        settings = {**world.settings, "acks": "1", "retries": 0}  # the service's; not for a transaction
        producer = TransactionalProducer(settings, world.letters)
        good = Outgoing(world.topic, b"1", partition=0)
        with pytest.raises(PermanentError):
            producer.send([good, Outgoing(world.topic, b"x" * 2_000_000, partition=0)])
        producer.send([good, Outgoing(world.letters, b"1", partition=0)])
        producer.close()
        assert [message.value() for message in world.sent()] == [b"1"]
        assert len(world.records()) == 1

    def test_one_that_its_topic_refuses_does_not_hold_the_others_back(self, world: World) -> None:
        """Red when one refusal ends its whole batch."""
        admin = AdminClient({"bootstrap.servers": world.broker.address})
        small = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, world.topic, incremental_configs=[small])
        for altered in admin.incremental_alter_configs([resource]).values():
            altered.result(20)
        good, large, more = world.bury(b"1"), world.bury(b"x" * 5000), world.bury(b"2")
        told = {each.id: each for each in world.requeue()}
        assert (told[good].result, told[more].result) == (Result.REQUEUED, Result.REQUEUED)
        assert told[large].result is Result.REFUSED
        assert "MSG_SIZE_TOO_LARGE" in told[large].why
        assert [message.value() for message in world.sent()] == [b"1", b"2"]
        assert world.results() == {good: Result.SKIPPED, more: Result.SKIPPED, large: Result.REFUSED}


NOTE = {
    "actions": [{"name": "note", "type": "log", "message": "{{ incident.id }}"}],
    "incident_conditions": [{"name": "all", "match": {}, "incident_actions": ["note"]}],
}
WRONG = {**NOTE, "kafka": {"format": "alertmanager"}}


@pytest.fixture
def pod(kafka: str, topic: MakeTopic, tmp_path: Path) -> Iterator[Pod]:
    name, letters = topic(2), topic(1)
    made = Pod(tmp_path / "pod", kafka, WRONG, topic=name, dead_letter_topic=letters, group=name)
    yield made
    made.close()


def test_after_a_bad_deploy_what_was_poison_is_processed_once(pod: Pod) -> None:
    """The format was wrong; it is mended, and everything is requeued by three people. Red when the mark is left out."""
    pod.publish(*(incident(number) for number in range(30)), partition=0)
    pod.publish(*(incident(number) for number in range(30, 40)), partition=1)
    assert pod.once().facts["dead_letters"] == 40
    letters = pod.ask("dlq", "list", "-o", "json", "--limit", "100").facts
    assert {letter["reason"] for letter in letters} == {"not-an-incident"}
    assert {(letter["group"], letter["topic"]) for letter in letters} == {(pod.group, pod.topic)}

    pod.write(NOTE)
    went = [pod.start("dlq", "requeue", "--all", "-o", "json", command=COMMAND) for _ in range(3)]
    for process in went:
        process.wait(60)  # those that were put out by a later one end with 2
    assert pod.ask("dlq", "requeue", "--all").code == 0
    ended = pod.once()

    assert ended.code == 0, ended.err
    assert (ended.facts["incidents"], ended.facts["dead_letters"]) == (40, 0)
    assert sorted(run.incident_id for run in pod.runs()) == sorted(f"INC-{number}" for number in range(40))
    assert all(letter["requeued_at"] for letter in pod.ask("dlq", "list", "-o", "json").facts)
    assert pod.once().facts["incidents"] == 0


def test_what_is_poison_again_has_a_letter_with_the_count_raised(pod: Pod) -> None:
    """Red when the count is not carried by the message."""
    pod.publish(incident(1))
    pod.once()
    assert pod.ask("dlq", "requeue", "0:0").code == 0
    assert pod.once().facts["dead_letters"] == 1
    second, first = pod.ask("dlq", "list", "-o", "json").facts
    assert (first["requeues"], second["requeues"]) == (0, 1)
    assert (first["requeued_at"] is not None, second["requeued_at"]) == (True, None)


class Interrupted:
    """A dead-letter topic where something happens between the two times that it is read."""

    def __init__(self, topic: DeadLetterTopic, happens: Callable[[], object]) -> None:
        self.name = topic.name
        self._topic = topic
        self._happens = happens

    def records(self, starts: dict[int, int] | None = None) -> Any:
        return self._topic.records(starts)

    def partition_counts(self) -> dict[str, int]:
        self._happens()
        return self._topic.partition_counts()
