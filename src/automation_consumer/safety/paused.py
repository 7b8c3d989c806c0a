"""Has an operator paused it? The kill switch."""

from __future__ import annotations

from collections.abc import Callable

from automation_consumer.clock import iso
from automation_consumer.model.switch import Switch
from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.safety.question import Question

Covering = Callable[[str, str, str, float], Switch | None]
"""The pause that covers a run of (condition, action, action type) at that time. In memory; never blocks."""


def nothing_paused(condition: str, action: str, action_type: str, now: float) -> Switch | None:
    """Without a journal nobody can pause anything."""
    return None


class Paused:
    """Denies what a pause covers; the sequence is held, and can be run when the pause is over.

    It is asked after the checks that would deny anyway, so that what it skips is exactly what would have acted.
    """

    name = "paused"

    def __init__(self, covering: Covering = nothing_paused) -> None:
        self._covering = covering

    async def ask(self, question: Question) -> Verdict:
        return self.look(question)

    def look(self, question: Question) -> Verdict:
        """The same, at once."""
        options = question.options
        switch = self._covering(question.condition, options.name, options.type, question.now)
        if switch is None:
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(Decision.DENY, self.name, _reason(switch), then=Then.HOLD, data={"switch": switch.id})


def _reason(switch: Switch) -> str:
    until = f"until {iso(switch.until)}" if switch.until is not None else "until somebody resumes it"
    return f"by {switch.who} {until}: {switch.why} (pause {switch.id})"
