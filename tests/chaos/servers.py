"""The real servers, as a scenario has them in hand: frozen, killed, started again on the same address and data."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

START_S = 60.0


@dataclass(frozen=True)
class Server:
    """A server process that `tests/integration/with-servers` has started. `program` starts it again."""

    program: Path
    answers: Callable[[], bool]

    @property
    def pid(self) -> int:
        return int(self.program.with_name(f"{self.program.name}.pid").read_text())

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its connections stay, and nothing answers."""
        stopped = _signal_all(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def down(self, how: signal.Signals) -> Iterator[None]:
        """Ended by a signal; its port refuses connections."""
        pid = self.pid
        os.kill(pid, how)
        _until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), START_S)
        try:
            yield
        finally:
            self.start()

    def start(self) -> None:
        """Start it again, and wait until it answers."""
        subprocess.Popen([self.program], stdin=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.5)
        _until(self.answers, START_S)


@dataclass(frozen=True)
class Servers:
    """Where the servers are."""

    kafka: str
    postgres: str | None
    broker: Server
    database: Server | None

    @classmethod
    def of_environment(cls) -> Servers:
        """SystemExit without a Kafka."""
        kafka, program = os.environ.get("TEST_KAFKA"), os.environ.get("TEST_KAFKA_START")
        if not kafka or not program:
            raise SystemExit("no Kafka: run by tests/integration/with-servers, which starts one")
        postgres, database = os.environ.get("TEST_POSTGRES"), os.environ.get("TEST_POSTGRES_START")
        return cls(
            kafka,
            postgres,
            Server(Path(program), lambda: _answers(kafka)),
            Server(Path(database), lambda: _reachable(postgres)) if postgres and database else None,
        )


def _answers(kafka: str) -> bool:
    with suppress(KafkaException):
        return bool(AdminClient({"bootstrap.servers": kafka, "log_level": 0}).list_topics(timeout=2).brokers)
    return False


def _reachable(postgres: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(postgres, connect_timeout=2):
        return True
    return False


def _signal_all(pid: int, number: signal.Signals) -> list[int]:
    """Send it to the process, then to those that it has started: which they were."""
    os.kill(pid, number)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in map(int, children):
        with suppress(ProcessLookupError):
            os.kill(child, number)
    return [pid, *map(int, children)]


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _until(holds: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"a server did not do as it was told within {within_s:.0f} s")
        time.sleep(0.1)
