"""The stand-in Screwdriver in a process of its own: it outlives every pod, and counts what they start."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Target:
    """The server, until the block ends."""

    def __init__(self, job_seconds: float, seed: int) -> None:
        self._arguments = ("--job-seconds", str(job_seconds), "--seed", str(seed))
        self.job_seconds = job_seconds

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.standins.screwdriver", *self._arguments],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def fault(self, route: str, kind: str = "status", **rest: Any) -> None:
        """From now on; see the stand-in's `Fault`."""
        self._ask("/_control", {"fault": {"route": route, "kind": kind, **rest}})

    def heal(self) -> None:
        """No more faults."""
        self._ask("/_control", {"heal": True})

    def expire(self) -> None:
        """All tokens that were handed out are refused from now on."""
        self._ask("/_control", {"expire": True})

    def mark(self, events: Sequence[int] | None = None) -> None:
        """Watch for the next polls of these events (of any that is there now): `facts()["polled_after_s"]` tells the
        first of them, `["all_polled_after_s"]` the last."""
        self._ask("/_control", {"mark": True if events is None else list(events)})

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("/_control")
        return found

    def triggers(self) -> list[dict[str, Any]]:
        """Every start of a job, in the order in which they came."""
        found: list[dict[str, Any]] = self._ask("/_triggers")
        return found

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=60) as answer:
            return json.load(answer)
