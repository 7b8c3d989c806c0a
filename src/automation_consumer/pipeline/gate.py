"""The gate: the ordered list of safety checks that every run passes before it acts. There is no side door."""

from __future__ import annotations

from automation_consumer.model.verdict import Decision, Verdict
from automation_consumer.safety.budget import Budget, StartedSince, nothing_started
from automation_consumer.safety.cooldown import Cooldown
from automation_consumer.safety.enabled import Enabled
from automation_consumer.safety.paused import Covering, Paused, nothing_paused
from automation_consumer.safety.question import Check, Question
from automation_consumer.safety.rerun import Rerun
from automation_consumer.safety.resolved import Resolved
from automation_consumer.safety.stale import Stale
from automation_consumer.safety.when import When


class Gate:
    """Asks each check in order; the first that does not allow decides.

    `covering` tells what is paused, `started_since` how often an action ran.
    """

    def __init__(
        self, covering: Covering = nothing_paused, started_since: StartedSince = nothing_started
    ) -> None:
        self._paused = Paused(covering)
        # Cheap ones first, then the ones that ask the journal. A pause comes after all that would deny anyway: what it
        # skips is what would have acted. The budget counts what it allows, so nothing is asked after it.
        self.checks: tuple[Check, ...] = (
            Enabled(),
            Stale(),
            Resolved(),
            When(),
            Rerun(),
            Cooldown(),
            self._paused,
            Budget(started_since),
        )

    async def ask(self, question: Question) -> Verdict:
        """The deciding verdict. TemplateError when a `when` cannot be evaluated."""
        for check in self.checks:
            verdict = await check.ask(question)
            if verdict.decision is not Decision.ALLOW:
                return verdict
        return Verdict(Decision.ALLOW, "gate")

    def last_look(self, question: Question) -> Verdict:
        """What may have changed while a run waited for its lock, its slot or its next try. At once, before each call."""
        return self._paused.look(question)

    async def report(self, question: Question) -> list[Verdict]:
        """Every check's verdict, also past the first denial: for `explain`."""
        return [await check.ask(question) for check in self.checks]


ORDER = Gate().checks
"""The checks in their order, for the docs."""
