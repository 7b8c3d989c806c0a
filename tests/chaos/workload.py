"""Incidents as a monitoring system sends them: new ones, the same once more, changed ones, and rubbish between them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as KafkaMessage
from tests.acceptance.pod import incident

ALERTS = 4
AGAIN_EVERY = 5  # every fifth incident comes three times: new, the same once more, changed
NOISE_EVERY = 10  # after every tenth incident one that no condition matches
POISON_EVERY = 50


@dataclass(frozen=True)
class Sent:
    """A message that the broker has. `round` counts the incident's contents; `repeats` says that it is the same again."""

    incident: str | None  # None: poison or noise
    round: int
    repeats: bool
    partition: int
    offset: int


class Workload:
    """Publishes, and knows afterwards what must have happened. One incident's messages are on one partition, in order."""

    def __init__(self, broker: str, topic: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "enable.idempotence": True,  # a message that the producer sends again is there once
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "log_level": 0,  # that a broker is away is the scenario's doing
            }
        )
        self._topic = topic
        self._lock = threading.Lock()
        self._next = 0
        self.sent: list[Sent] = []
        self.poison: set[bytes] = set()

    def publish(self, incidents: int) -> None:
        """That many further incidents; waits until the broker has them."""
        for number in range(self._next, self._next + incidents):
            for ident, value, round_, repeats in _messages(number):
                self._send(ident, value, round_, repeats)
        self._next += incidents
        left = self._producer.flush(300)
        if left:
            raise RuntimeError(f"the broker did not take {left} messages")

    def _send(self, ident: str | None, value: bytes, round_: int, repeats: bool) -> None:
        def delivered(error: KafkaError | None, message: KafkaMessage) -> None:
            if error is not None:
                raise RuntimeError(f"not delivered: {error}")
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            with self._lock:
                self.sent.append(Sent(ident, round_, repeats, partition, offset))

        if value.startswith(b"not"):
            self.poison.add(value)
        self._producer.produce(self._topic, value, ident or "rubbish", on_delivery=delivered)
        self._producer.poll(0)

    @contextmanager
    def flowing(self, per_second: float) -> Iterator[None]:
        """New incidents at a steady rate, from a thread of their own, until the block ends."""
        stop = threading.Event()

        def feed() -> None:
            began, done = time.monotonic(), 0
            while not stop.wait(0.1):
                due = int((time.monotonic() - began) * per_second)
                self.publish(due - done)
                done = due

        with ThreadPoolExecutor(1, "workload") as pool:
            feeding = pool.submit(feed)
            try:
                yield
            finally:
                stop.set()
            feeding.result()

    @property
    def incidents(self) -> int:
        return self._next

    def expected(self) -> Iterator[tuple[str, str, int]]:
        """(incident, alert, round) of every job that must have been started, once."""
        for sent in self.sent:
            if sent.incident is not None and not sent.repeats:
                for number in range(ALERTS):
                    yield sent.incident, f"{sent.incident}-a{number}", sent.round


def _messages(number: int) -> Iterator[tuple[str | None, bytes, int, bool]]:
    ident = f"INC-{number}"
    yield ident, _encoded(number, 1), 1, False
    if number % AGAIN_EVERY == 0:
        yield ident, _encoded(number, 1), 1, True
        yield ident, _encoded(number, 2), 2, False
    if number % NOISE_EVERY == 0:
        yield None, json.dumps(incident(f"noise-{number}", 1, status="warning")).encode(), 0, False
    if number % POISON_EVERY == 0:
        yield None, b"not an incident %d" % number, 0, False


def _encoded(number: int, round_: int) -> bytes:
    whole: dict[str, Any] = incident(number, ALERTS)
    for alert in whole["alerts"]:
        alert["tags"].append({"name": "round", "value": str(round_)})
    return json.dumps(whole).encode()
