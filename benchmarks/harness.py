"""What the benchmarks share: a broker, topics with incidents, the service in a process of its own, figures."""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from yaml import CSafeDumper, dump

from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from benchmarks.incidents import encode

ROOT = Path(__file__).parent.parent
MIB = 2**20
PRODUCT = [sys.executable, "-m", "automation_consumer"]


@dataclass(frozen=True)
class Figure:
    """One row of docs/performance.md. `met` is None where there is no target."""

    what: str
    target: str
    seen: str
    met: bool | None
    note: str = ""


@dataclass(frozen=True)
class Topic:
    """A topic and how a client finds it."""

    settings: dict[str, Any]
    name: str

    def fill(self, documents: Iterable[Any]) -> int:
        """Send these with the incident's id as the key; wait until the broker has them. How many."""
        producer = Producer({**self.settings, "linger.ms": 20, "queue.buffering.max.kbytes": 65_536})
        sent = 0
        for document in documents:
            while True:
                try:
                    producer.produce(self.name, encode(document), document["id"])
                    break
                except BufferError:
                    producer.poll(0.05)
            sent += 1
        if left := producer.flush(60):
            raise RuntimeError(f"the broker did not take {left} messages")
        return sent


class Bench:
    """What a benchmark gets: topics, a folder, services. Everything is gone when it ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.kafka = os.environ.get("TEST_KAFKA")
        self.broker = "Apache Kafka" if self.kafka else "embedded broker"

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench.")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def many(self, count: int) -> int:
        """`count` messages; fewer on the embedded broker, which keeps only 5 MiB a partition."""
        return count if self.kafka else min(count, 20_000)

    def topic(self, partitions: int = 8) -> Topic:
        """A new, empty topic."""
        name = f"bench-{uuid.uuid4().hex[:10]}"
        if self.kafka is None:
            broker = self._stack.enter_context(EmbeddedBroker({name: partitions}))
            return Topic(dict(broker.client_settings), name)
        settings = {"bootstrap.servers": self.kafka}
        admin = AdminClient(settings)
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        self._stack.callback(lambda: admin.delete_topics([name])[name].result(30))
        return Topic(settings, name)

    def config(
        self, topic: Topic, conditions: list[Any], actions: list[Any], **sections: Any
    ) -> tuple[Path, Path]:
        """A config with a consumer group of its own, and where its journal will be."""
        folder = self.folder / uuid.uuid4().hex[:10]
        folder.mkdir()
        kafka = {**topic.settings, "group.id": folder.name, "topics": [topic.name], "start_at": "earliest"}
        journal = folder / "journal.db"
        document = {
            "version": 1,
            "kafka": kafka,
            "store": f"sqlite:///{journal}",
            "service": {"port": 0},
            **sections,
            "actions": actions,
            "incident_conditions": conditions,
        }
        path = folder / "config.yaml"
        path.write_text(dump(document, Dumper=CSafeDumper, sort_keys=False))
        return path, journal


def command(*arguments: str | Path) -> list[str]:
    """The command line of the product."""
    return [*PRODUCT, *map(str, arguments)]


def run_once(config: Path) -> dict[str, Any]:
    """`run --once -o json` in its own process: its summary."""
    with open(config.parent / "once.log", "wb") as log:
        done = subprocess.run(
            command("run", "--once", "-o", "json", "-c", config),
            stdout=subprocess.PIPE,
            stderr=log,
            check=True,
            cwd=ROOT,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Service:
    """`run` in its own process, until the block ends."""

    def __init__(
        self,
        config: Path,
        environ: dict[str, str] | None = None,
        *,
        command: list[str] | None = None,
        name: str = "service",
    ) -> None:
        self.log = config.parent / f"{name}.log"
        self._file = open(self.log, "wb")  # noqa: SIM115 - closed by __exit__
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            [*(command or PRODUCT), "run", "-c", str(config)],
            stdout=subprocess.PIPE,
            stderr=self._file,
            env={**os.environ, **(environ or {})},
            cwd=ROOT,
        )
        self.process = psutil.Process(self._process.pid)

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(rb"http://[0-9.:]+", line):
                self.url = found[0].decode()
                return self
        raise RuntimeError(f"the service did not start: {self.log.read_text()[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._file.close()

    @staticmethod
    def now() -> float:
        return time.monotonic()

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready") as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    def metrics(self) -> dict[str, float]:
        """Every series by its text, such as `automation_runs_total{…}`."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def ended(self) -> int:
        """How many runs have ended."""
        return int(sum(v for k, v in self.metrics().items() if k.startswith("automation_runs_total{")))

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it has logged."""
        for line in self.log.read_bytes().splitlines():
            if line.startswith(b"{"):
                yield json.loads(line)


def wait_until(holds: Callable[[], bool], timeout_s: float, every_s: float = 0.1) -> None:
    """Look again and again. RuntimeError when it does not come to hold."""
    until = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > until:
            raise RuntimeError(f"it did not happen within {timeout_s} s")
        time.sleep(every_s)


def query(journal: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the journal."""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def standin(module: str, *arguments: str) -> Iterator[str]:
    """A stand-in server in its own process: its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def machine() -> str:
    """What it was measured on."""
    cpus = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = psutil.virtual_memory().total / 2**30
    return f"{len(cpus)} x {cpus[0] if cpus else platform.machine()}, {memory:.0f} GB, Python {platform.python_version()}"


def as_row(figure: Figure) -> dict[str, Any]:
    return asdict(figure)
