"""Has the action been run too often lately? What limits the damage of a rule that matches too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.safety.question import Question

HOUR_S = 3600.0

StartedSince = Callable[[str, float], Awaitable[int]]
"""How many runs of that action have begun since then, whatever process began them."""


async def nothing_started(action: str, since: float) -> int:
    """Without a journal nothing is known to have begun."""
    return 0


class Budget:
    """Denies a run when `max_executions_per_hour` is reached. Asked last: what it allows, it counts.

    A run is in the journal only when it begins, and many may be allowed before the first of them begins; so the ones
    allowed by this process are counted here as well. Replicas that begin runs at the same moment may exceed the limit,
    each by what it has allowed and not begun.
    """

    name = "budget"

    def __init__(self, started_since: StartedSince = nothing_started) -> None:
        self._started_since = started_since
        self._allowed: dict[str, deque[float]] = {}

    async def ask(self, question: Question) -> Verdict:
        limit = question.options.max_executions_per_hour
        if limit is None:
            return Verdict(Decision.ALLOW, self.name)
        action, since = question.options.name, question.now - HOUR_S
        begun = await self._started_since(action, since)
        allowed = self._allowed.setdefault(action, deque())  # after the wait: others were asked meanwhile
        while allowed and allowed[0] <= since:
            allowed.popleft()
        if max(begun, len(allowed)) < limit:
            allowed.append(question.now)
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(
            Decision.DENY,
            self.name,
            f"it has run {max(begun, len(allowed))} times within an hour (`max_executions_per_hour: {limit}`)",
            then=Then.FAIL,  # what it was to mend is not mended
        )
