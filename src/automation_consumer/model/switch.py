"""What an operator tells a running service through the journal: pause this, try that run again, cancel that one."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Scope(StrEnum):
    """What a pause covers."""

    EVERYTHING = "everything"  # every action of every condition
    CONDITION = "condition"
    ACTION = "action"
    ACTION_TYPE = "action-type"
    INTAKE = "intake"  # no message is taken; set by the service itself when everything turns to poison


class Switch(msgspec.Struct, frozen=True):
    """A pause: who set it, why and until when. Times are seconds since the epoch; `until` None means until resumed.

    What it covers does not act; consuming and recording go on (except under `intake`).
    """

    id: str
    scope: Scope
    name: str  # of the condition, action or action type; empty for the others
    who: str
    why: str
    since: float
    until: float | None = None

    def holds(self, now: float) -> bool:
        return self.until is None or now < self.until

    def covers(self, condition: str, action: str, action_type: str) -> bool:
        """Whether a run of this action for this condition may not act."""
        match self.scope:
            case Scope.EVERYTHING:
                return True
            case Scope.CONDITION:
                return self.name == condition
            case Scope.ACTION:
                return self.name == action
            case Scope.ACTION_TYPE:
                return self.name == action_type
            case Scope.INTAKE:
                return False


class Wish(StrEnum):
    """What is asked of a run."""

    RETRY = "retry"  # run it again, and what would have followed it
    CANCEL = "cancel"
    RESOLVED = (
        "resolved"  # its incident is resolved, as another process has learned: do as `on_resolved` says
    )


REFUSED = "refused:"
"""How an answer to a request begins that was not fulfilled."""


class Request(msgspec.Struct, frozen=True):
    """An operator's wish about one run, to be fulfilled by whichever process takes it."""

    id: str
    wish: Wish
    run_id: str
    who: str
    at: float
