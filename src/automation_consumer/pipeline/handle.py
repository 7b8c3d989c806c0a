"""What happens for one match: checks, then the alerts, then the incident, then success or failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from automation_consumer.config.settings import Condition
from automation_consumer.model.incident import Alert
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase
from automation_consumer.pipeline.plan import History, Plan
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.runner import Runner


class ConditionResult(StrEnum):
    """How a condition went for one message."""

    SUCCEEDED = "succeeded"  # all alerts, and what came after them
    PARTIAL = "partial"  # some alerts, or all of them but not what came after
    FAILED = "failed"  # no alert
    STOPPED = "stopped"  # a check said no; nothing has acted


@dataclass(frozen=True)
class Handling:
    """One match being handled: all that its plans have in common."""

    runner: Runner
    message: Message
    ruleset: Ruleset
    match: Match
    history: History
    dry_run: bool

    @property
    def condition(self) -> Condition:
        return self.ruleset.condition(self.match.condition)

    async def run(self) -> ConditionResult:
        """Do it all. ParkedError when the process stops meanwhile; the message then comes again."""
        condition = self.condition
        if not await self._sequence(Phase.CHECK, condition.checks):
            return ConditionResult.STOPPED
        alerts_ok = await self._alerts() if condition.alert_actions else []
        incident_ok = await self._sequence(Phase.INCIDENT, condition.incident_actions)
        result = _result(alerts_ok, incident_ok)
        if result is ConditionResult.SUCCEEDED:
            await self._sequence(Phase.ON_SUCCESS, condition.on_success)
        else:
            await self._sequence(Phase.ON_FAILURE, condition.on_failure)
        return result

    async def _alerts(self) -> list[bool]:
        """Handle the alerts, as many at a time as the condition allows. Alerts that `fail_fast` left out count as failed."""
        condition, alerts = self.condition, self.match.alerts
        width = condition.max_concurrent_alerts if condition.parallel_alert_processing else 1
        slots = asyncio.Semaphore(width)
        failed = False

        async def one(alert: Alert) -> bool:
            nonlocal failed
            async with slots:
                if failed and condition.fail_fast:
                    return False
                ok = await self._sequence(Phase.ALERT, condition.alert_actions, alert)
                failed = failed or not ok
                return ok

        if width == 1 or len(alerts) == 1:
            return [await one(alert) for alert in alerts]
        results = await asyncio.gather(*(one(alert) for alert in alerts), return_exceptions=True)
        for result in results:  # only after all have come to rest: none is left running unseen
            if isinstance(result, BaseException):
                raise result
        return [result is True for result in results]

    async def _sequence(self, phase: Phase, actions: Sequence[str], alert: Alert | None = None) -> bool:
        """Run actions in order; the first failure ends the sequence, unless that action says `continue_on_failure`."""
        all_ok = True
        for number, name in enumerate(actions):
            plan = self._plan(phase, name, number, alert)
            result = await self.runner.run(plan)
            if result.ok:
                continue
            all_ok = False
            if not plan.prepared.spec.common.continue_on_failure:
                break
        return all_ok

    def _plan(self, phase: Phase, action: str, number: int, alert: Alert | None) -> Plan:
        return Plan(
            message=self.message,
            ruleset=self.ruleset,
            incident=self.match.incident,
            alert=alert,
            alerts=self.match.alerts,
            condition=self.match.condition,
            phase=phase,
            prepared=self.ruleset.action(action),
            position=str(number),
            history=self.history,
            dry_run=self.dry_run,
        )


def _result(alerts_ok: list[bool], incident_ok: bool) -> ConditionResult:
    if all(alerts_ok) and incident_ok:
        return ConditionResult.SUCCEEDED
    return ConditionResult.PARTIAL if any(alerts_ok) else ConditionResult.FAILED
