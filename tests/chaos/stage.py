"""What a scenario plays on: a topic, a target, pods, a workload; and at the end the judge."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]
from tests.acceptance.pod import COMMAND, Pod
from tests.chaos.fleet import Fleet, Member
from tests.chaos.judge import SHOWN, judge
from tests.chaos.launch import Levers
from tests.chaos.results import Result
from tests.chaos.servers import Servers
from tests.chaos.stores import PostgresStore, SqliteStore, runs_of
from tests.chaos.target import Target
from tests.chaos.workload import Workload

from automation_consumer.model.run import OPEN, Run
from automation_consumer.store.journal import RunFilter

MANY = 10_000_000
CROWDED = 3.0  # how much slower things may be beside other scenarios
MISTAKES = ('"event":"incident.bug"', '"event":"action.bug"', "Traceback", "the service failed")


class CannotMountError(Exception):
    """This user may not mount a small disk. The contract tests fill a database without that."""


class CannotPlayError(Exception):
    """The scenario needs what is not here."""


@dataclass(frozen=True)
class Setup:
    """What a scenario begins with."""

    pods: int = 1
    job_seconds: float = 0.5
    on_postgres: bool = False  # else SQLite
    partitions: int = 4
    breaks: frozenset[str] = frozenset()  # servers that others stand on, too
    may_end: bool = False  # whether a pod may end by itself, to be started again
    long: bool = False  # begins early, so that others fit beside it
    bears: frozenset[str] = frozenset()  # servers that another scenario may break beside it


class Stage:
    """A context manager; everything is gone when it ends, except the folder of a scenario that went wrong."""

    def __init__(self, name: str, servers: Servers, setup: Setup, *, short: bool, seed: int) -> None:
        self.name = name
        self.servers = servers
        self.short = short
        self.seed = seed
        self.rng = random.Random(seed)
        self.faults = 0
        self.facts: dict[str, Any] = {}
        self.broken: list[str] = []
        self.setup = setup
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix=f"chaos.{self.name}."))
        self.folder.chmod(0o755)
        self.topic = f"chaos-{uuid.uuid4().hex[:8]}"
        self.admin = self._new_admin()
        topics = [NewTopic(self.topic, self.setup.partitions, 1), NewTopic(f"{self.topic}.dlq", 1, 1)]
        for future in self.admin.create_topics(topics, operation_timeout=15).values():
            future.result(20)
        self.target = self._stack.enter_context(Target(self.setup.job_seconds, self.seed))
        self.store = self._store()
        self._stack.callback(self.store.close)
        self.workload = Workload(self.servers.kafka, self.topic)
        self.fleet = Fleet([self._member(number) for number in range(self.setup.pods)])
        self._stack.callback(self.fleet.close)
        self.began_at = time.monotonic()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stack.close()
        if kind is None and not self.broken:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"{self.name}: what the pods left is in {self.folder}", file=sys.stderr, flush=True)

    # --- pods --------------------------------------------------------------------------------------------------------

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers.kafka, "log_level": 0})

    def _store(self) -> SqliteStore | PostgresStore:
        if not self.setup.on_postgres:
            return SqliteStore(self.folder)
        if self.servers.postgres is None:
            raise CannotPlayError(f"{self.name} needs a PostgreSQL: run by tests/integration/with-servers")
        return PostgresStore(self.servers.postgres)

    @property
    def database(self) -> PostgresStore:
        """The store of a scenario on PostgreSQL."""
        assert isinstance(self.store, PostgresStore)
        return self.store

    def _member(self, number: int) -> Member:
        pod = Pod(
            self.folder / f"pod{number}",
            self.servers.kafka,
            self.config(),
            partitions=self.setup.partitions,
            topic=self.topic,
            dead_letter_topic=f"{self.topic}.dlq",
            group=self.topic,
            environ={name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        )
        return Member(pod)

    def bendable(self, member: Member) -> Levers:
        """From its next start on it obeys these levers."""
        levers = Levers(member.pod.folder / "levers")
        member.command = (COMMAND[0], str(Path(__file__).with_name("launch.py")), str(levers.path), "run")
        return levers

    def config(self, **connection: Any) -> dict[str, Any]:
        """A configuration that mends every alert by a job, once per content of the alert."""
        fix = {
            "name": "fix",
            "type": "screwdriver",
            "pipeline_id": 1,
            "job_name": "fix",
            "alert_parameters": ["id"],
            "alert_tag_parameters": ["round"],
            "extra_parameters": {"incident": "{{ incident.id }}"},
            "polling_interval": 0.3,
            "polling_timeout": 600,
            "retry_count": 20,
            "retry_delay": 0.3,
        }
        condition = {
            "name": "fixable",
            "match": {"status": "critical"},
            "alert_actions": ["fix", "note"],
            "incident_actions": ["sum_up"],
            "rerun": "on_change",
        }
        settings = {"url": self.target.url, "auth_secret": "sd-token", "lookup_settle": 1, **connection}
        return {
            "store": self.store.url,
            "connections": {"screwdriver": settings},
            "actions": [
                fix,
                {"name": "note", "type": "log", "message": "fixed {{ id }}"},
                {"name": "sum_up", "type": "log", "message": "{{ incident.id }} is done"},
            ],
            "incident_conditions": [condition],
        }

    def mounted(self, folder: Path, size: str) -> None:
        """A small disk of its own in the folder, until the end. CannotMountError when this user may not mount."""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "chaos", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CannotMountError(f"it needs a small disk, so it must be run as root: {done.stderr.strip()}")
        self._stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)

    # --- what is, and what was ---------------------------------------------------------------------------------------

    def runs(self, which: RunFilter) -> list[Run]:
        """The journal; none before there is one."""
        return runs_of(self.store, which)

    def unfinished(self) -> int:
        """How many messages are not committed. KafkaException while the broker does not answer."""
        places = [TopicPartition(self.topic, number) for number in range(self.setup.partitions)]
        wanted = self.admin.list_offsets({place: OffsetSpec.latest() for place in places}, request_timeout=5)  # type: ignore[no-untyped-call]
        ends = {place.partition: future.result(6).offset for place, future in wanted.items()}
        asked = [ConsumerGroupTopicPartitions(self.topic, places)]
        (group,) = self.admin.list_consumer_group_offsets(asked, request_timeout=5).values()
        done = {place.partition: max(place.offset, 0) for place in group.result(6).topic_partitions}
        return sum(end - done.get(partition, 0) for partition, end in ends.items())

    def settled(self) -> bool:
        """Whether everything is committed and no run is open."""
        try:
            if self.unfinished():
                return False
        except KafkaException:
            self.admin = (
                self._new_admin()
            )  # one that has seen a broker freeze may go on asking for an old leader
            return False
        return not any(self.runs(RunFilter(status=status, limit=1)) for status in OPEN)

    def until(self, holds: Callable[[], bool], within_s: float, what: str) -> float:
        """Wait for a fact, with the pods under supervision: the seconds it took. It is noted when it does not come."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() > began + within_s:
                self.broken.append(f"not within {within_s:.0f} s: {what}")
                break
            self.fleet.wait(0.25)
        return time.monotonic() - began

    def slow_starts(self) -> None:
        """The target does at once what it is asked and answers late, so that many a kill hits an unanswered call."""
        self.target.fault("create", "late", seconds=0.4, share=0.5, times=MANY)

    def in_time(self, what: str, took_s: float, limit_s: float) -> None:
        """Only the full form, which has the machine to itself, can tell that it took too long by a little."""
        limit_s *= CROWDED if self.short else 1.0
        if took_s > limit_s:
            self.broken.append(f"{what}: {took_s:.2f} s, not {limit_s:.0f} s")

    def _lost_poison(self) -> list[str]:
        """What is not a message must be on the dead-letter topic, at least once."""
        buried = {each.value() for each in self.fleet[0].pod.dead_letters()}
        left = sorted(self.workload.poison - buried)
        return [f"poison without a dead letter: {value.decode()}" for value in left[:SHOWN]]

    def _mistakes(self) -> list[str]:
        """What pods said that no fault excuses."""
        found = []
        for number, member in enumerate(self.fleet.members):
            for line in member.pod.said.splitlines():
                if any(mark in line for mark in MISTAKES):
                    found.append(f"pod {number} said: {line[:600]}")
        return found[:SHOWN]

    def result(self, what: str, *, settle_s: float = 180.0) -> Result:
        """Wait until all is handled, stop the pods, and judge."""
        self.until(self.settled, settle_s, "everything handled and committed")
        self.broken += self.fleet.stop()
        runs = self.runs(RunFilter(limit=MANY))
        triggers = self.target.triggers()
        verdict = judge(self.workload, runs, triggers, self.target.job_seconds)
        self.broken += [*verdict.examples(), *self._lost_poison(), *self._mistakes()]
        if self.fleet.ends and not self.setup.may_end:
            self.broken += [f"ended by itself: {end}" for end in self.fleet.ends[:SHOWN]]
        elif self.fleet.ends:
            self.facts["ended by themselves"] = len(self.fleet.ends)
        return Result(
            name=self.name,
            what=what,
            faults=self.faults,
            messages=len(self.workload.sent),
            runs=len(runs),
            jobs=len(triggers),
            lost=len(verdict.lost),
            twice=len(verdict.twice),
            disordered=len(verdict.disordered),
            seconds=round(time.monotonic() - self.began_at, 1),
            seed=self.seed,
            short=self.short,
            facts={
                "statuses": dict(verdict.statuses),
                "further attempts": sum(run.attempt - 1 for run in runs),
                **self.facts,
            },
            broken=self.broken,
        )
