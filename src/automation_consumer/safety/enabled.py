"""Is the action switched on in the YAML?"""

from __future__ import annotations

from automation_consumer.model.verdict import Decision, Verdict
from automation_consumer.safety.question import Question


class Enabled:
    name = "enabled"

    async def ask(self, question: Question) -> Verdict:
        if question.options.enabled:
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(Decision.DENY, self.name, "the action has `enabled: false`")
