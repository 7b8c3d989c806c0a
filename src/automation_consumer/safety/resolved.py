"""Is the incident still a matter?"""

from __future__ import annotations

from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.safety.question import Question


class Resolved:
    """Denies what has not begun when the incident was resolved meanwhile, as the condition's `on_resolved` says."""

    name = "resolved"

    async def ask(self, question: Question) -> Verdict:
        if not question.resolved:
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(
            Decision.DENY, self.name, "the incident was resolved before this began", then=Then.STOP
        )
