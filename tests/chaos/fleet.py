"""Pods under supervision: what ends by itself is started again, as a cluster would; what a scenario kills stays dead."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.pod import COMMAND, Pod

END_S = 60.0
YOUNG_S = 3.0  # before that it may not listen to SIGTERM yet, and just dies of it


@dataclass
class Member:
    """One pod and its process. `wanted`: it should be running."""

    pod: Pod
    command: Sequence[str] = (*COMMAND, "run")
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    started_at: float = 0.0
    ends: list[str] = field(default_factory=list)  # how it ended by itself, and its last words

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        if self.alive:
            raise RuntimeError("it runs already")
        self.wanted, self.started_at = True, time.monotonic()
        self.process = self.pod.start(command=self.command)

    @property
    def last_words(self) -> str:
        lines = self.pod.said.splitlines()
        return (lines or [""])[-1][:300]

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.wanted = False
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM: its exit code. TimeoutExpired when it does not end."""
        self.wanted = False
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S)

    def leave(self) -> None:
        """SIGTERM, without waiting for its end."""
        self.wanted = False
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    @property
    def frozen(self) -> bool:
        """Whether it stands still, by SIGSTOP."""
        stat = Path(f"/proc/{self.pid}/stat")
        return self.alive and stat.read_text().rpartition(")")[2].split()[0] == "T"

    @property
    def started(self) -> bool:
        """Whether it ever said that it had started."""
        return "service.started" in self.pod.said

    def tend(self) -> None:
        """Start it again if it has ended by itself, after a second at the earliest."""
        if not self.wanted or self.alive or time.monotonic() < self.started_at + 1.0:
            return
        assert self.process is not None
        self.ends.append(f"code {self.process.returncode}: {self.last_words}")
        self.start()


class Fleet:
    """The pods of a scenario."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)

    def __getitem__(self, number: int) -> Member:
        return self.members[number]

    def start(self) -> None:
        for member in self.members:
            member.start()

    def wait(self, seconds: float) -> None:
        """Let time pass, under supervision."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(left, 0.05))

    def tend(self) -> None:
        for member in self.members:
            member.tend()

    @property
    def ends(self) -> list[str]:
        """How pods ended by themselves; they were started again."""
        return [f"pod {number}: {end}" for number, member in enumerate(self.members) for end in member.ends]

    def stop(self) -> list[str]:
        """SIGTERM to all; what was wrong with their ends."""
        wrong = []
        youngest = max((member.started_at for member in self.members if member.alive), default=0.0)
        self.wait(youngest + YOUNG_S - time.monotonic())
        for number, member in enumerate(self.members):
            if not member.alive:
                continue
            try:
                code = member.terminate()
            except subprocess.TimeoutExpired:
                member.kill()
                wrong.append(f"pod {number} did not end within {END_S:.0f} s of SIGTERM")
                continue
            if code != 0:
                wrong.append(f"pod {number} ended with code {code} after SIGTERM")
        return wrong

    def close(self) -> None:
        """End what is left, also what is frozen."""
        for member in self.members:
            if member.alive:
                member.kill()
