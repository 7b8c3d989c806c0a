"""The gate: the ordered list of safety checks that every run passes before it acts. There is no side door."""

from __future__ import annotations

from collections.abc import Sequence

from automation_consumer.model.verdict import Decision, Verdict
from automation_consumer.safety.cooldown import Cooldown
from automation_consumer.safety.enabled import Enabled
from automation_consumer.safety.question import Check, Question
from automation_consumer.safety.rerun import Rerun
from automation_consumer.safety.when import When

ORDER: tuple[Check, ...] = (Enabled(), When(), Rerun(), Cooldown())
"""Cheap ones first; the ones that ask the journal last."""


class Gate:
    """Asks each check in order; the first that does not allow decides."""

    def __init__(self, checks: Sequence[Check] = ORDER) -> None:
        self._checks = tuple(checks)

    async def ask(self, question: Question) -> Verdict:
        """The deciding verdict. TemplateError when a `when` cannot be evaluated."""
        for check in self._checks:
            verdict = await check.ask(question)
            if verdict.decision is not Decision.ALLOW:
                return verdict
        return Verdict(Decision.ALLOW, "gate")

    async def report(self, question: Question) -> list[Verdict]:
        """Every check's verdict, also past the first denial: for `explain`."""
        return [await check.ask(question) for check in self._checks]
