"""What happens for one match: checks, then the alerts, then the incident, then success or failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from automation_consumer.config.settings import Condition, OnResolved
from automation_consumer.errors import UsageError
from automation_consumer.model.incident import Alert
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.model.verdict import Then
from automation_consumer.pipeline.plan import History, Plan, Progress
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.runner import Result, Runner


class ConditionResult(StrEnum):
    """How a condition went for one message."""

    SUCCEEDED = "succeeded"  # all alerts, and what came after them
    PARTIAL = "partial"  # some alerts, or all of them but not what came after
    FAILED = "failed"  # no alert
    STOPPED = "stopped"  # a check said no, or the incident is too old or resolved: nothing more acts
    HELD = "held"  # something is paused: it can be run later


@dataclass(frozen=True)
class Handling:
    """One match being handled: all that its plans have in common."""

    runner: Runner
    message: Message
    ruleset: Ruleset
    match: Match
    history: History
    progress: Progress
    dry_run: bool
    retry: Run | None = None  # only this run again, and what would have followed it
    request: str = ""  # on whose behalf
    results: list[Result] = field(default_factory=list)  # of all runs so far

    @property
    def condition(self) -> Condition:
        return self.ruleset.condition(self.match.condition)

    async def run(self) -> ConditionResult:
        """Do it all. ParkedError when the process stops meanwhile; the message then comes again."""
        condition = self.condition
        if self.retry is not None:
            return _OF[await self._again(self.retry)]
        checked = await self._sequence(Phase.CHECK, condition.checks)
        if checked is not Then.GO_ON:
            return ConditionResult.HELD if checked is Then.HOLD else ConditionResult.STOPPED
        alerts = await self._alerts() if condition.alert_actions else []
        incident = await self._sequence(Phase.INCIDENT, condition.incident_actions)
        result = _result(alerts, incident)
        if result is ConditionResult.SUCCEEDED:
            await self._sequence(Phase.ON_SUCCESS, condition.on_success)
        elif result in (ConditionResult.PARTIAL, ConditionResult.FAILED):
            await self._sequence(Phase.ON_FAILURE, condition.on_failure)
        await self._escalate()
        return result

    def resolved(self) -> None:
        """The incident was resolved meanwhile: do as the condition says."""
        policy = self.condition.on_resolved
        if policy is OnResolved.FINISH:
            return
        self.progress.resolved = True
        self.runner.resolved(
            self.match.incident.id, self.match.condition, running=policy is OnResolved.CANCEL
        )

    @property
    def worth_another_try(self) -> bool:
        """Whether an operator may want a run of it tried again."""
        return any(not each.ok for each in self.results)

    async def _alerts(self) -> list[Then]:
        """Handle the alerts, as many at a time as the condition allows. Alerts that `fail_fast` left out count as failed."""
        condition, alerts = self.condition, self.match.alerts
        width = condition.max_concurrent_alerts if condition.parallel_alert_processing else 1
        slots = asyncio.Semaphore(width)
        failed = False

        async def one(alert: Alert) -> Then:
            nonlocal failed
            async with slots:
                if failed and condition.fail_fast:
                    return Then.FAIL
                then = await self._sequence(Phase.ALERT, condition.alert_actions, alert)
                failed = failed or then is Then.FAIL
                return then

        if width == 1 or len(alerts) == 1:
            return [await one(alert) for alert in alerts]
        results = await asyncio.gather(*(one(alert) for alert in alerts), return_exceptions=True)
        for result in results:  # only after all have come to rest: none is left running unseen
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, Then)]

    async def _sequence(
        self, phase: Phase, actions: Sequence[str], alert: Alert | None = None, *, first: int = 0
    ) -> Then:
        """Run actions in order. The first that stands in the way ends the sequence; with `continue_on_failure` a failure does not."""
        worst = Then.GO_ON
        for number, name in list(enumerate(actions))[first:]:
            forced = self.retry is not None and number == first
            plan = self._plan(phase, name, actions[:number].count(name), alert, forced=forced)
            result = await self.runner.run(plan)
            self.results.append(result)
            if result.ok:
                continue
            worst = result.then
            if result.then is not Then.FAIL or not plan.prepared.spec.common.continue_on_failure:
                break
        return worst

    async def _again(self, run: Run) -> Then:
        """The run's action once more, and then what stands after it in its list."""
        actions: Sequence[str] = getattr(self.condition, _LISTS[run.phase])
        places = [number for number, name in enumerate(actions) if name == run.action]
        if occurrence(run) >= len(places):
            raise UsageError(
                f"condition {run.condition!r} no longer has action {run.action!r} there",
                hint="send the incident again instead",
            )
        number = places[occurrence(run)]
        alert = next((each for each in self.match.alerts if each.id == run.alert_id), None)
        return await self._sequence(run.phase, actions, alert, first=number)

    async def _escalate(self) -> None:
        """Somebody has to look at a run whose effect nobody can tell."""
        unknown = [each for each in self.results if each.status is RunStatus.UNKNOWN and each.escalate]
        if unknown:
            await self._sequence(Phase.ESCALATION, self.condition.escalation)

    def expected(self) -> set[str]:
        """The ids of the runs that this match may have, those aside that actions run themselves."""
        condition, found = self.condition, set()
        for phase, key in _LISTS.items():
            actions: Sequence[str] = getattr(condition, key)
            for number, name in enumerate(actions):
                for alert in self.match.alerts if phase is Phase.ALERT else (None,):
                    nth = actions[:number].count(name)
                    found.add(self._plan(phase, name, nth, alert, forced=False).run_id)
        return found

    def _plan(self, phase: Phase, action: str, nth: int, alert: Alert | None, *, forced: bool) -> Plan:
        return Plan(
            message=self.message,
            ruleset=self.ruleset,
            incident=self.match.incident,
            alert=alert,
            alerts=self.match.alerts,
            condition=self.match.condition,
            phase=phase,
            prepared=self.ruleset.action(action),
            position=str(nth),
            history=self.history,
            dry_run=self.dry_run,
            request=self.request,
            forced=forced,
            progress=self.progress,
        )


_LISTS = {
    Phase.CHECK: "checks",
    Phase.ALERT: "alert_actions",
    Phase.INCIDENT: "incident_actions",
    Phase.ON_SUCCESS: "on_success",
    Phase.ON_FAILURE: "on_failure",
    Phase.ESCALATION: "escalation",
}
_OF = {
    Then.GO_ON: ConditionResult.SUCCEEDED,
    Then.FAIL: ConditionResult.FAILED,
    Then.HOLD: ConditionResult.HELD,
    Then.STOP: ConditionResult.STOPPED,
}


def occurrence(run: Run) -> int:
    """Which of the places where its list names the action: 0 for the first. UsageError for a run that another action runs."""
    found = run.subject.split("\x1f")[4]
    if not found.isdigit():
        raise UsageError(
            f"run {run.id} was run by another action", hint="have the run of that action tried again"
        )
    return int(found)


def _result(alerts: Sequence[Then], incident: Then) -> ConditionResult:
    ends = [*alerts, incident]
    if all(then is Then.GO_ON for then in ends):
        return ConditionResult.SUCCEEDED
    if Then.FAIL in ends:
        return ConditionResult.PARTIAL if Then.GO_ON in alerts else ConditionResult.FAILED
    return ConditionResult.HELD if Then.HOLD in ends else ConditionResult.STOPPED
