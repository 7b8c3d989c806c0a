"""A run: one action, once, for one alert or incident of one message. Its key is the same after every restart."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import msgspec

from automation_consumer.model.message import Message


class Phase(StrEnum):
    """The part of a condition that a run belongs to, in the order they happen."""

    CHECK = "check"  # once, before anything acts
    ALERT = "alert"  # for each handled alert
    INCIDENT = "incident"  # once, after the alerts
    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ESCALATION = "escalation"  # at the very end, when a run's effect is unknown


class RunStatus(StrEnum):
    """The states of a run. The ones in `ENDED` are final; a final state is only ever written from an open one."""

    RUNNING = "running"  # the intent is written; the action may be acting at this moment
    WAITING = "waiting"  # a remote job is known by its handle and is being polled
    RETRYING = "retrying"  # an attempt failed; the next one is due at `next_at`
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"  # may have taken effect; nobody can tell
    SKIPPED = "skipped"  # a safety check denied it, with the reason
    CANCELLED = "cancelled"
    PREVIEWED = "previewed"  # a dry run: decided and rendered, nothing called


ENDED = frozenset(
    {
        RunStatus.SUCCEEDED,
        RunStatus.FAILED,
        RunStatus.UNKNOWN,
        RunStatus.SKIPPED,
        RunStatus.CANCELLED,
        RunStatus.PREVIEWED,
    }
)
OPEN = frozenset(set(RunStatus) - ENDED)


class Run(msgspec.Struct, frozen=True):
    """A row of the journal. Times are seconds since the epoch; `params` are rendered, with secrets masked."""

    id: str
    status: RunStatus
    incident_id: str
    alert_id: str | None
    condition: str
    phase: Phase
    action: str
    action_type: str
    subject: str  # (condition, incident, alert, action) in one string: what the `rerun` rule is about
    digest: str  # the alert's (or incident's) content: what `rerun: on_change` compares
    rule: str  # file:line of the condition
    config_version: str
    topic: str
    partition: int
    offset: int
    created_at: float
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    attempt: int = 1
    next_at: float | None = None
    ended_at: float | None = None
    handle: dict[str, Any] | None = None
    url: str | None = None
    reason: str = ""
    output: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    deadline_at: float | None = None
    target: str = ""  # the alert's host (else the incident): what `cooldown` is about
    owner: int = 0  # the number of the process that has it
    fence: int = 0  # how often it changed hands; a writer that knows an older number is refused
    request: str = ""  # the operator's request that it fulfils, if it does

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def nested(self) -> bool:
        """Whether another action ran it."""
        return "/" in self.subject.split("\x1f")[4] if self.subject.count("\x1f") >= 5 else False

    @property
    def marker(self) -> str:
        """What a remote job carries so that it can be found again: the run and its attempt."""
        return marker(self.id, self.attempt)


class RunChange(msgspec.Struct, frozen=True):
    """One state change of a run, as `runs ID` lists it."""

    at: float
    status: RunStatus
    detail: str


def marker(run_id: str, attempt: int) -> str:
    """The idempotency key of one attempt."""
    return f"{run_id}-{attempt}"


def run_id(message: Message, *parts: str) -> str:
    """The deterministic id of a run: of its message's place and of `parts` (incident, condition, phase, alert, action…).

    The same message gives the same id after every crash, and no two runs share one (80 bits of SHA-256).
    """
    # The time tells two messages apart that had the same place, in a topic that was deleted and made anew.
    place = (message.topic, str(message.partition), str(message.offset), str(message.timestamp_ms))
    text = "\x1f".join((*place, *parts))
    return "r" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
