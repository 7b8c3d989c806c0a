"""What other processes have in hand of an incident."""

from __future__ import annotations

from automation_consumer.clock import Clock
from automation_consumer.config.settings import OnResolved
from automation_consumer.model.switch import Request, Wish
from automation_consumer.pipeline.work import Work
from automation_consumer.store.journal import Journal


class Elsewhere:
    """Asks the journal; without a shared store there is nobody else."""

    def __init__(self, journal: Journal, clock: Clock, *, dry_run: bool) -> None:
        self._journal = journal
        self._clock = clock
        self._alone = dry_run or not journal.shared

    async def busy(self, work: Work) -> bool:
        """Whether an earlier message of this incident is in hand of another process, or about to be taken up."""
        if self._alone or not self._journal.knows(work.incident.id):
            return False
        return await self._journal.busy_elsewhere(work.incident.id, work.taken.message)

    async def tell_resolved(self, work: Work) -> None:
        """Tell the processes that have runs of this incident, where its conditions want to know."""
        for run in await self._journal.live_runs(work.incident.id, work.taken.message):
            known = work.ruleset.has_condition(run.condition)
            policy = work.ruleset.condition(run.condition).on_resolved if known else OnResolved.FINISH
            if not (run.ended or run.owner == self._journal.process or policy is OnResolved.FINISH):
                await self._journal.ask(
                    Request(f"resolved-{run.id}", Wish.RESOLVED, run.id, "the service", self._clock.now())
                )
