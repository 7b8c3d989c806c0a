"""What a safety check is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from automation_consumer.config.settings import CommonOptions
from automation_consumer.config.templates import Expression
from automation_consumer.model.run import Phase, Run
from automation_consumer.model.verdict import Verdict

LastSuccess = Callable[[str, str], Awaitable[float | None]]


class Question(msgspec.Struct, frozen=True):
    """May this run act? `earlier` are the live runs of the same subject (condition, incident, alert, action), oldest first."""

    options: CommonOptions
    phase: Phase
    rerun: str
    digest: str
    target: str
    earlier: Sequence[Run]
    when: Expression | None
    scope: Callable[[frozenset[str]], Mapping[str, Any]]
    last_success: LastSuccess
    now: float
    resolved: bool = False
    """Whether the incident was resolved meanwhile, and the condition does not want what has not begun."""
    condition: str = ""
    age_s: float | None = None
    """How old the incident was when it was decided to act on it; None when nobody can tell, or it does not matter."""
    max_age_s: float | None = None


class Check(Protocol):
    """One safety check. It changes nothing, and may wait only for the journal."""

    name: str

    async def ask(self, question: Question) -> Verdict: ...
