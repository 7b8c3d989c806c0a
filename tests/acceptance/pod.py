"""The service as its operator knows it: a process, a configuration, a journal, a consumer group, topics."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.standins.screwdriver import API_TOKEN, ScrewdriverStandin

from automation_consumer.errors import StoreError
from automation_consumer.model.run import Run
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.open import open_reader

COMMAND = (sys.executable, "-m", "automation_consumer")
PATIENCE_S = 30.0
TOPIC, DEAD_LETTERS, GROUP = "incidents", "incidents.dlq", "pod"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


@dataclass
class Pod:
    """One service in a folder of its own. `start` and `once` may be called again: that is a restart."""

    folder: Path
    broker: str
    config: Mapping[str, Any]
    partitions: int = 2
    topic: str = TOPIC
    dead_letter_topic: str = DEAD_LETTERS
    group: str = GROUP
    secrets: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.file = self.folder / "config.yaml"
        self.write(self.config)

    def write(self, config: Mapping[str, Any]) -> None:
        """The configuration of the next start."""
        whole: dict[str, Any] = {
            "version": 1,
            "store": f"sqlite:///{self.folder}/journal.db",
            "service": {"port": 0, "log_format": "json"},
            **config,
            "kafka": {
                "bootstrap.servers": self.broker,
                "group.id": self.group,
                "topics": [self.topic],
                "start_at": "earliest",
                "dead_letter_topic": self.dead_letter_topic,
                "fetch.wait.max.ms": 5,
                # A member that was killed is missed after this long; until then nobody gets its partitions.
                "session.timeout.ms": 1500,
                "heartbeat.interval.ms": 200,
                **config.get("kafka", {}),
            },
        }
        self.store = whole["store"]
        self.file.write_text(yaml.safe_dump(whole, sort_keys=False))

    # --- the process -------------------------------------------------------------------------------------------------

    def start(self, *arguments: str, command: Sequence[str] = (*COMMAND, "run")) -> subprocess.Popen[bytes]:
        """The service in the background. What it prints goes to the files `out` and `err` of the folder."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AUTOMATION_SECRET_SD_TOKEN": API_TOKEN,
            **{f"AUTOMATION_SECRET_{name}": value for name, value in self.secrets.items()},
            **self.environ,
        }
        line = [*command, *arguments, "-c", str(self.file)]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("ab") as err:
            process = subprocess.Popen(line, env=environ, stdout=out, stderr=err, cwd=self.folder)
        self._running.append(process)
        return process

    def ended(self, process: subprocess.Popen[bytes], within_s: float = PATIENCE_S) -> Ended:
        """Wait for its end."""
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_s} s:\n{self.said[-4000:]}") from None
        return Ended(code, (self.folder / "out").read_text(), self.said)

    def once(self, *arguments: str) -> Ended:
        """`run --once -o json` to its end."""
        return self.ended(self.start("--once", "-o", "json", *arguments))

    def ask(self, *arguments: str) -> Ended:
        """Another command on the same configuration."""
        return self.ended(self.start(*arguments, command=COMMAND))

    def terminate(self, process: subprocess.Popen[bytes], within_s: float = PATIENCE_S) -> Ended:
        process.send_signal(signal.SIGTERM)
        return self.ended(process, within_s)

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait()

    @property
    def said(self) -> str:
        """Everything on stderr so far, of all its processes."""
        return (self.folder / "err").read_text()

    # --- the journal ---------------------------------------------------------------------------------------------

    def runs(self, **which: Any) -> list[Run]:
        """The journal's runs whose fields are as given, oldest first; none before there is a journal."""
        try:
            reader = open_reader(self.store)
        except StoreError:
            return []
        try:
            found = reader.runs(RunFilter(limit=100_000))
        finally:
            reader.close()
        return [run for run in reversed(found) if all(getattr(run, k) == v for k, v in which.items())]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a fact."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}\n{self.said[-4000:]}"
            time.sleep(0.02)

    # --- the topics ----------------------------------------------------------------------------------------------

    def publish(self, *values: Mapping[str, Any] | bytes | None, partition: int = 0, **rest: Any) -> None:
        """Messages on one partition, in this order."""
        producer = Producer({"bootstrap.servers": self.broker, "message.max.bytes": 100_000_000})
        for value in values:
            raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
            producer.produce(self.topic, raw, rest.get("key"), partition, headers=rest.get("headers"))
        assert producer.flush(30) == 0

    def committed(self) -> dict[int, int]:
        """The group's offsets by partition; one where nothing was finished is left out."""
        reader = Consumer({"bootstrap.servers": self.broker, "group.id": self.group})
        try:
            places = reader.committed(
                [TopicPartition(self.topic, n) for n in range(self.partitions)], timeout=10
            )
        finally:
            reader.close()
        return {place.partition: place.offset for place in places if place.offset > 0}

    def ends(self) -> dict[int, int]:
        """Where the partitions end, those that have a message."""
        reader = Consumer({"bootstrap.servers": self.broker, "group.id": "ends"})
        try:
            found = {
                n: reader.get_watermark_offsets(TopicPartition(self.topic, n), 10)[1]
                for n in range(self.partitions)
            }
        finally:
            reader.close()
        return {partition: end for partition, end in found.items() if end > 0}

    def dead_letters(self) -> list[Any]:
        """Everything on the dead-letter topic now."""
        reader = Consumer(
            {
                "bootstrap.servers": self.broker,
                "group.id": "undertaker",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 5,
                "fetch.message.max.bytes": 100_000_000,
            }
        )
        found: list[Any] = []
        try:
            count = len(
                reader.list_topics(self.dead_letter_topic, 10).topics[self.dead_letter_topic].partitions
            )
            reader.assign([TopicPartition(self.dead_letter_topic, n, 0) for n in range(count)])
            end = time.monotonic() + PATIENCE_S
            while count:
                message = reader.poll(1.0)
                assert time.monotonic() < end, "the dead-letter topic cannot be read"
                if message is not None and message.error() is None:
                    found.append(message)
                elif message is not None:
                    count -= 1
        finally:
            reader.close()
        return found


def incident(number: int | str, alerts: int = 4, **fields: Any) -> dict[str, Any]:
    """A BigPanda incident INC-number with alerts INC-number-a0…"""
    ident = f"INC-{number}"
    return {
        "id": ident,
        "status": "critical",
        "active": True,
        "severity": "critical",
        "alerts": [
            {
                "id": f"{ident}-a{n}",
                "status": "critical",
                "active": True,
                "description": "disk full",
                "tags": [{"name": "host", "value": f"web{n}"}],
            }
            for n in range(alerts)
        ],
        **fields,
    }


def resolved(number: int | str, alerts: int = 4) -> dict[str, Any]:
    """The same incident when it is over."""
    whole = incident(number, alerts, status="ok", active=False)
    for alert in whole["alerts"]:
        alert.update(status="ok", active=False)
    return whole


def screwdriver(server: ScrewdriverStandin, **fields: Any) -> dict[str, Any]:
    """The part of a configuration that fixes every alert of a critical incident by a Screwdriver job."""
    return {
        "connections": {
            "screwdriver": {"url": server.url, "auth_secret": "sd-token", "lookup_settle": 0.5},
        },
        "actions": [
            {
                "name": "fix",
                "type": "screwdriver",
                "pipeline_id": 1,
                "job_name": "fix",
                "alert_parameters": ["id"],
                "extra_parameters": {"incident": "{{ incident.id }}"},
                "polling_interval": 0.1,
                "polling_timeout": 60,
            },
            {"name": "note", "type": "log", "message": "fixed {{ id }}"},
            {"name": "sum_up", "type": "log", "message": "{{ incident.id }} is done"},
        ],
        "incident_conditions": [
            {
                "name": "fixable",
                "match": {"status": "critical"},
                "alert_actions": ["fix", "note"],
                "incident_actions": ["sum_up"],
                **fields,
            }
        ],
    }


def started(server: ScrewdriverStandin) -> list[str]:
    """The alert of every job that the server has started, sorted."""
    found = []
    for event in list(server.events.values()):
        own = event.row["meta"]["parameters"]
        found.append(str(own.get("id") or own["fix"]["id"]))
    return sorted(found)
