"""One run, from its plan to its end: replay, gate, render, lock, attempts, record. Every action goes through here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec

from automation_consumer.config.settings import OnUnknown
from automation_consumer.errors import (
    AutomationError,
    FencedError,
    PermanentError,
    SecretError,
    TemplateError,
)
from automation_consumer.logs import bind, get_logger
from automation_consumer.model.message import Message
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.pipeline.attempt import Attempts, Ending
from automation_consumer.pipeline.boundary import denial, guarded
from automation_consumer.pipeline.engine import Engine
from automation_consumer.pipeline.plan import History, Plan
from automation_consumer.pipeline.render import MASKED, parameters
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Params

ASK_AGAIN_S = 1.0  # how often a run of another process is looked at
_log = get_logger(__name__)


class Result(msgspec.Struct, frozen=True):
    """How a run went, for the condition that asked for it. `then`: what that means for what comes after it."""

    run_id: str
    status: RunStatus
    message: str
    then: Then
    escalate: bool = False
    """Whether somebody has to look at it."""

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of what comes after it."""
        return self.then is Then.GO_ON


def _result(run: Run) -> Result:
    """The result of a run that has ended."""
    if run.status is RunStatus.SKIPPED:
        then = Then(run.data.get("then", Then.GO_ON))
    elif run.status is RunStatus.CANCELLED:
        then = Then(run.data.get("then", Then.FAIL))
    else:
        then = Then.GO_ON if run.status in (RunStatus.SUCCEEDED, RunStatus.PREVIEWED) else Then.FAIL
    return Result(run.id, run.status, run.reason, then)


class Runner:
    """Runs plans. A run that is under way, here or in another process, is waited for, never started beside itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._under_way: dict[str, asyncio.Future[Result]] = {}
        self._attempts: dict[str, Attempts] = {}

    async def run(self, plan: Plan) -> Result:
        """The result, from the journal where this message was handled before. ParkedError when the process stops."""
        joined = self._under_way.get(plan.run_id)
        if joined is not None:
            return await asyncio.shield(joined)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._under_way[plan.run_id] = future
        try:
            result = await self._run(plan)
        except AutomationError as error:
            future.set_exception(error)
            future.exception()  # seen, even if nobody joined
            raise
        else:
            future.set_result(result)
            return result
        finally:
            del self._under_way[plan.run_id]
            if not future.done():
                future.cancel()

    def withdraw(self, run_id: str, reason: str) -> bool | None:
        """End a run that is under way here. None when it isn't; False when it acts at this moment and cannot be stopped."""
        attempts = self._attempts.get(run_id)
        return None if attempts is None else attempts.withdraw(reason)

    def resolved(self, incident_id: str, condition: str, *, running: bool) -> None:
        """The incident is resolved: end its runs that wait for a retry, and with `running` those that act."""
        for attempts in self._attempts.values():
            if (attempts.run.incident_id, attempts.run.condition) == (incident_id, condition):
                attempts.withdraw("the incident was resolved", running=running, then=Then.STOP)

    async def settle(self, left_open: Sequence[Run]) -> None:
        """End runs that an earlier handling of a message left open and that this one, under a newer config, did not touch."""
        for found in left_open:
            if found.id in self._under_way:
                continue
            run = await self._ours(found)
            if run is None or run.ended:
                continue
            status = RunStatus.CANCELLED if run.status is RunStatus.RETRYING else RunStatus.UNKNOWN
            reason = f"the configuration no longer asks for it (it was {run.status})"
            with suppress(FencedError):  # then another process settles it
                await self._close(run, Ending(status, Outcome.failure(reason)), 0.0)

    async def _run(self, plan: Plan) -> Result:
        existing = plan.history.same(plan.run_id)
        while True:
            if existing is not None:
                existing = await self._ours(existing)
            try:
                ended = existing is not None and existing.ended
                result = (
                    _result(existing) if existing is not None and ended else await self._go(plan, existing)
                )
                escalate = plan.prepared.spec.common.on_unknown is OnUnknown.ESCALATE
                return msgspec.structs.replace(
                    result, escalate=escalate and result.status is RunStatus.UNKNOWN
                )
            except FencedError as error:  # another process was faster, or has taken it over
                bind(_log, **plan.labels()).info("left to another process: %s", error, event="run.fenced")
                existing = await self._engine.journal.find(plan.run_id)

    async def _ours(self, run: Run) -> Run | None:
        """The run, when it is ours or has ended: waits for the process that has it, or adopts it when that is gone."""
        journal = self._engine.journal
        found: Run | None = run
        while found is not None and not found.ended and found.owner != journal.process:
            adopted = await journal.adopt(found)
            if adopted is not None:
                bind(_log, run=run.id, incident=run.incident_id).info(
                    "taken over from process %d", found.owner, event="run.adopted"
                )
                return adopted
            await self._engine.pauses.sleep(ASK_AGAIN_S)
            found = await journal.find(run.id)
        return found

    async def _go(self, plan: Plan, existing: Run | None) -> Result:
        try:
            if existing is None:
                verdict = await self._engine.gate.ask(
                    plan.question(self._engine.journal.last_success, self._engine.clock.now())
                )
                if verdict.decision is not Decision.ALLOW:
                    return await self._denied(plan, verdict)
            params, shown = parameters(plan, self._engine.secret)
            lock = None if plan.prepared.lock is None else self._text_of_lock(plan)
        except (TemplateError, SecretError) as error:
            return await self._not_renderable(plan, existing, str(error))
        if self._engine.dry_run:
            return await self._preview(plan, params, shown)
        if lock is not None and lock in plan.held_locks:
            lock = None  # the action that runs this one holds it
        elif lock is not None:
            plan = replace(plan, held_locks=plan.held_locks | {lock})
        async with self._engine.locks.hold(lock, plan.run_id):
            return await self._attempt(plan, existing, params, shown)

    async def _attempt(
        self, plan: Plan, existing: Run | None, params: Params, shown: dict[str, Any]
    ) -> Result:
        row = self._engine.recorder.row(plan, shown, RunStatus.RUNNING)
        attempts = Attempts(self._engine, plan, params, row, lambda run: self.context(plan, run))
        self._attempts[plan.run_id] = attempts
        try:
            if existing is not None:
                log = bind(_log, **plan.labels())
                log.info("taken up again from %s", existing.status, event="run.resumed")
                ending = await attempts.resume(existing)
                seconds = self._engine.clock.now() - existing.created_at
            else:
                started = self._engine.clock.monotonic()
                ending = await attempts.start()
                seconds = self._engine.clock.monotonic() - started
            if not attempts.written:  # paused or withdrawn before it began
                verdict = Verdict(Decision.DENY, "withdrawn", ending.outcome.message, then=Then.STOP)
                return await self._denied(plan, attempts.denied or verdict)
            return await self._close(attempts.run, ending, seconds)
        finally:
            del self._attempts[plan.run_id]

    # --- before it acts ------------------------------------------------------------------------------------------

    def _text_of_lock(self, plan: Plan) -> str:
        assert plan.prepared.lock is not None
        scope = plan.scope(plan.prepared.lock.names)
        text: str = plan.prepared.lock.render(scope, lambda name: MASKED)
        return text

    async def _denied(self, plan: Plan, verdict: Verdict) -> Result:
        row = self._engine.recorder.row(plan, {}, RunStatus.SKIPPED, f"{verdict.check}: {verdict.reason}")
        row = msgspec.structs.replace(row, data=denial(verdict))
        ended = await self._engine.recorder.end(row, self._left(plan))
        self._engine.metrics.gate_denied.labels(verdict.check).inc()
        self._count(plan.prepared.spec.type, RunStatus.SKIPPED)
        bind(_log, **plan.labels()).info("skipped: %s", verdict.reason, event="run.skipped")
        return _result(ended)

    async def _not_renderable(self, plan: Plan, existing: Run | None, reason: str) -> Result:
        if existing is not None:  # it may have acted, and its job may run
            status = RunStatus.FAILED if existing.status is RunStatus.RETRYING else RunStatus.UNKNOWN
            return await self._close(existing, Ending(status, Outcome.failure(reason)), 0.0)
        row = self._engine.recorder.row(plan, {}, RunStatus.FAILED, reason)
        ended = await self._engine.recorder.end(row, self._left(plan))
        self._count(plan.prepared.spec.type, RunStatus.FAILED)
        bind(_log, **plan.labels()).error("%s", reason, event="run.failed")
        return _result(ended)

    async def _preview(self, plan: Plan, params: Params, shown: dict[str, Any]) -> Result:
        row = self._engine.recorder.row(plan, shown, RunStatus.PREVIEWED)
        action = plan.prepared.action
        try:
            ctx = self.context(plan, row)
            text = await guarded(self._engine.dispatcher.invoke(action.preview, ctx, params), action, ctx)
            row = self._engine.recorder.row(plan, shown, RunStatus.PREVIEWED, text)
        except AutomationError as error:
            row = self._engine.recorder.row(plan, shown, RunStatus.FAILED, f"the preview failed: {error}")
        ended = await self._engine.recorder.end(row, self._left(plan))
        self._count(plan.prepared.spec.type, ended.status)
        bind(_log, **plan.labels()).info("dry run: %s", ended.reason, event=f"run.{ended.status}")
        return _result(ended)

    def _left(self, plan: Plan) -> Message | None:
        """What is left to a process that takes over: of a dry run, nothing."""
        return None if self._engine.dry_run else plan.message

    # --- acting --------------------------------------------------------------------------------------------------

    def context(self, plan: Plan, run: Run) -> ActionContext:
        """What the action sees of this attempt."""
        connections = plan.ruleset.connections(self._engine.secret)
        name = plan.prepared.spec.common.connection or plan.prepared.action.connection

        calls = count(1)

        async def run_action(action: str) -> Outcome:
            return await self._nested(plan, action, next(calls), run.attempt)

        return ActionContext(
            run_key=run.marker,
            run_id=run.id,
            attempt=run.attempt,
            action=plan.action,
            incident=plan.incident,
            alert=plan.alert,
            alerts=plan.alerts,
            started_at=run.created_at,
            connection=connections.get(name, {}) if name else {},
            connections=connections,
            secret=self._engine.secret,
            clients=self._engine.clients,
            run_action=run_action,
            log=bind(_log, **{**plan.labels(), "run": run.id}),
            clock=self._engine.clock,
        )

    async def _nested(self, parent: Plan, action: str, call: int, attempt: int) -> Outcome:
        """An action that another one runs: the same gate, a run of its own in the journal, under its parent's slot and locks.

        After a restart or in a further attempt of the parent, what has succeeded answers from the journal.
        """
        line = (*parent.ancestors, parent.action)
        if action in line:
            raise PermanentError(f"action {action!r} runs itself", hint=" → ".join((*line, action)))
        history = History(await self._engine.journal.live_runs(parent.incident.id, parent.message))
        plan = parent.nested(parent.ruleset.action(action), str(call), history)
        existing = history.same(plan.run_id)
        if (
            existing is not None
            and existing.status in (RunStatus.FAILED, RunStatus.CANCELLED)
            and attempt > 1
        ):
            plan = parent.nested(plan.prepared, f"{call}.{attempt}", history)
        result = await self.run(plan)
        return Outcome(
            result.ok, result.message, data={"run_id": result.run_id, "status": str(result.status)}
        )

    async def _close(self, run: Run, ending: Ending, seconds: float) -> Result:
        status, outcome = ending
        if not await self._engine.recorder.close(run, status, outcome):
            bind(_log, run=run.id).warning("ended already; nothing was overwritten", event="run.late")
        self._count(run.action_type, status)
        self._engine.metrics.run_seconds.labels(run.action_type).observe(seconds)
        wanted = outcome.ok or status in (RunStatus.CANCELLED, RunStatus.SKIPPED)
        level = logging.INFO if wanted else logging.ERROR
        log = bind(_log, run=run.id, incident=run.incident_id, action=run.action, condition=run.condition)
        log.log(level, "%s: %s", status, outcome.message, event=f"run.{status}")
        return _result(msgspec.structs.replace(run, status=status, reason=outcome.message, data=outcome.data))

    def _count(self, action_type: str, status: RunStatus) -> None:
        self._engine.metrics.runs.labels(action_type, status).inc()
        self._engine.tally.runs[status] += 1
