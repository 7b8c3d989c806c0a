"""Does the action's `when` hold for this alert?"""

from __future__ import annotations

from automation_consumer.model.verdict import Decision, Verdict
from automation_consumer.safety.question import Question


class When:
    name = "when"

    async def ask(self, question: Question) -> Verdict:
        expression = question.when
        if expression is None or expression.test(question.scope(expression.names)):
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(Decision.DENY, self.name, f"`when: {question.options.when}` is false")
