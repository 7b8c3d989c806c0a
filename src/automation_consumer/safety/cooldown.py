"""Was the action done for this target a moment ago?"""

from __future__ import annotations

from automation_consumer.model.verdict import Decision, Verdict
from automation_consumer.safety.question import Question


class Cooldown:
    name = "cooldown"

    async def ask(self, question: Question) -> Verdict:
        cooldown_s = question.options.cooldown
        if cooldown_s is None:
            return Verdict(Decision.ALLOW, self.name)
        last = await question.last_success(question.options.name, question.target)
        if last is None or last + cooldown_s <= question.now:
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(
            Decision.DENY,
            self.name,
            f"it succeeded for {question.target} {question.now - last:.0f} s ago (cooldown {cooldown_s:.0f} s)",
        )
