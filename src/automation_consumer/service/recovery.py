"""After a crash or a stop: remote jobs that the journal knows are followed at once, before their messages come again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pydantic import ValidationError

from automation_consumer.errors import AutomationError
from automation_consumer.logs import bind, get_logger
from automation_consumer.model.incident import Alert, Incident, Lazy
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.pipeline.attempt import Attempts
from automation_consumer.pipeline.engine import Engine, ParkedError
from automation_consumer.pipeline.plan import History, Plan
from automation_consumer.pipeline.render import MASKED
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.runner import Runner

_log = get_logger(__name__)


class Recovery:
    """Follows jobs whose handle is in the journal. All other open runs wait for their message: it was not committed."""

    def __init__(self, engine: Engine, runner: Runner, ruleset: Ruleset) -> None:
        self._engine = engine
        self._runner = runner
        self._ruleset = ruleset
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, open_runs: Iterable[Run]) -> int:
        """Begin to follow; how many there are. Does not wait."""
        waiting = [
            run
            for run in open_runs
            if run.status is RunStatus.WAITING
            and run.handle is not None
            and MASKED
            not in str(run.params)  # its secrets are not in the journal: its message has to come again
        ]
        for run in waiting:
            task = asyncio.get_running_loop().create_task(self._follow(run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(waiting)

    async def idle(self) -> None:
        """Wait until all of them have ended or are parked."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """End the following; what is waited for is in the journal and goes on after the restart."""
        for task in self._tasks:
            task.cancel()
        await self.idle()

    async def _follow(self, run: Run) -> None:
        log = bind(_log, run=run.id, incident=run.incident_id, action=run.action)
        try:
            options = self._ruleset.action(run.action).spec.common
            await self._runner.recover(run, self._attempts(run), options)
        except ParkedError:
            return
        except (AutomationError, ValidationError, KeyError) as error:
            log.warning(
                "cannot be followed before its message comes again: %s", error, event="run.not_recovered"
            )

    def _attempts(self, run: Run) -> Attempts:
        """The attempts of a run whose message is not at hand: enough to poll and to cancel."""
        prepared = self._ruleset.action(run.action)
        params = prepared.action.Params(**run.params)
        incident = Incident(run.incident_id, "", Lazy(tuple), Lazy(dict))
        plan = Plan(
            message=Message(run.topic, run.partition, run.offset, None),
            ruleset=self._ruleset,
            incident=incident,
            alert=Alert(run.alert_id) if run.alert_id else None,
            alerts=(),
            condition=run.condition,
            phase=run.phase,
            prepared=prepared,
            position="",
            history=History(),
        )
        return Attempts(
            self._engine,
            prepared.action,
            prepared.spec.common.model_copy(update={"retry_count": 0}),
            params,
            run,
            lambda now: self._runner.context(plan, now),
        )
