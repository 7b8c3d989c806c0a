"""What operators ask of single runs, done."""

from __future__ import annotations

from automation_consumer.errors import UsageError
from automation_consumer.model.switch import Request, Wish
from automation_consumer.pipeline.flow import Flow
from automation_consumer.pipeline.runner import Runner
from automation_consumer.store.journal import Journal


class Requests:
    """Fulfils requests; the text that is returned is for the operator. UsageError, with the reason, for a refusal."""

    def __init__(self, flow: Flow, runner: Runner, journal: Journal) -> None:
        self._flow = flow
        self._runner = runner
        self._journal = journal

    async def fulfil(self, request: Request) -> str:
        """ParkedError when the process stops meanwhile; the request then stands."""
        if request.wish is Wish.RETRY:
            return await self._flow.retry(request)
        if request.wish is Wish.RESOLVED:
            return await self._resolved(request)
        return await self._cancel(request)

    async def _resolved(self, request: Request) -> str:
        run = await self._journal.find(request.run_id)
        if run is not None:
            self._flow.resolved(run.incident_id)
        return "told"

    async def _cancel(self, request: Request) -> str:
        begun = self._runner.withdraw(request.run_id, f"cancelled by {request.who}")
        if begun:
            return f"run {request.run_id} is being cancelled"
        if begun is False:
            raise UsageError(
                f"run {request.run_id} acts at this moment and cannot be stopped; it will not be tried again"
            )
        run = await self._journal.find(request.run_id)
        if run is None:
            raise UsageError(f"there is no run {request.run_id}")
        if run.ended:
            raise UsageError(f"run {run.id} has ended already: {run.status}")
        raise UsageError(
            f"run {run.id} is {run.status} and nobody has it in hand at this moment", hint="try once more"
        )
