"""One run, from its plan to its end: replay, gate, render, lock, attempts, record. Every action goes through here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec

from automation_consumer.config.settings import CommonOptions
from automation_consumer.errors import AutomationError, PermanentError, SecretError, TemplateError
from automation_consumer.logs import bind, get_logger
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.model.verdict import Decision, Verdict
from automation_consumer.pipeline.attempt import Attempts, Ending, guarded
from automation_consumer.pipeline.engine import Engine, ParkedError
from automation_consumer.pipeline.plan import History, Plan
from automation_consumer.pipeline.render import MASKED, parameters
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Params
from automation_consumer.safety.rerun import UNRESOLVED

_log = get_logger(__name__)


class Result(msgspec.Struct, frozen=True):
    """How a run went, for the condition that asked for it. `ok`: nothing stands in the way of what comes after it."""

    run_id: str
    status: RunStatus
    message: str
    ok: bool


def _result(run_id: str, status: RunStatus, message: str, check: str = "") -> Result:
    harmless = status in (RunStatus.SUCCEEDED, RunStatus.PREVIEWED) or (
        status is RunStatus.SKIPPED and check != UNRESOLVED
    )
    return Result(run_id, status, message, harmless)


class Runner:
    """Runs plans. A run that is already under way in this process is joined, never started beside itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._under_way: dict[str, asyncio.Future[Result]] = {}

    async def run(self, plan: Plan) -> Result:
        """The result, from the journal where this message was handled before. ParkedError when the process stops."""
        joined = self._under_way.get(plan.run_id)
        if joined is not None:
            result = await asyncio.shield(joined)
            if result.status is not RunStatus.RETRYING:
                return result
            plan = replace(
                plan, history=History(await self._engine.recorder.journal.live_runs(plan.incident.id))
            )
        return await self._as_the_only_one(plan.run_id, lambda: self._run(plan))

    async def recover(self, existing: Run, attempts: Attempts, options: CommonOptions) -> Result:
        """Follow the job of a run that an earlier process left open, before its message comes again.

        If the job fails and tries are left, they are for the message to make: only then the alert is at hand.
        """

        async def follow() -> Result:
            ending = await attempts.resume(existing)
            if ending.status is RunStatus.FAILED and existing.attempt <= options.retry_count:
                next_at = self._engine.clock.now() + options.retry_delay
                await self._engine.recorder.retrying(existing, ending.outcome.message, next_at)
                return _result(existing.id, RunStatus.RETRYING, ending.outcome.message)
            return await self._close(existing, ending, self._engine.clock.now() - existing.created_at)

        return await self._as_the_only_one(existing.id, follow)

    async def settle(self, left_open: Sequence[Run]) -> None:
        """End runs that an earlier handling of a message left open and that this one, under a newer config, did not touch."""
        for run in left_open:
            if run.id in self._under_way:
                continue
            status = RunStatus.CANCELLED if run.status is RunStatus.RETRYING else RunStatus.UNKNOWN
            reason = f"the configuration no longer asks for it (it was {run.status})"
            await self._close(run, Ending(status, Outcome.failure(reason)), 0.0)

    async def _as_the_only_one(self, run_id: str, work: Callable[[], Any]) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._under_way[run_id] = future
        try:
            result: Result = await work()
        except AutomationError as error:
            future.set_exception(error)
            future.exception()  # seen, even if nobody joined
            raise
        else:
            future.set_result(result)
            return result
        finally:
            del self._under_way[run_id]
            if not future.done():
                future.cancel()

    async def _run(self, plan: Plan) -> Result:
        existing = plan.history.same(plan.run_id)
        if existing is not None and existing.ended:
            check = UNRESOLVED if existing.data.get("check") == UNRESOLVED else ""
            return _result(existing.id, existing.status, existing.reason, check)
        try:
            if existing is None:
                verdict = await self._engine.gate.ask(
                    plan.question(self._engine.recorder.journal.last_success, self._engine.clock.now())
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
        attempts = self.attempts(plan, params, shown)
        async with self._engine.locks.hold(lock):
            if existing is not None:
                return await self._resume(existing, attempts)
            started = self._engine.clock.monotonic()
            ending = await attempts.start()
            return await self._close(attempts.run, ending, self._engine.clock.monotonic() - started)

    async def _resume(self, existing: Run, attempts: Attempts) -> Result:
        log = bind(_log, run=existing.id, incident=existing.incident_id, action=existing.action)
        log.info("taken up again from %s", existing.status, event="run.resumed")
        ending = await attempts.resume(existing)
        return await self._close(existing, ending, self._engine.clock.now() - existing.created_at)

    # --- before it acts ------------------------------------------------------------------------------------------

    def _text_of_lock(self, plan: Plan) -> str:
        assert plan.prepared.lock is not None
        scope = plan.scope(plan.prepared.lock.names)
        text: str = plan.prepared.lock.render(scope, lambda name: MASKED)
        return text

    async def _denied(self, plan: Plan, verdict: Verdict) -> Result:
        row = self._engine.recorder.row(plan, {}, RunStatus.SKIPPED, f"{verdict.check}: {verdict.reason}")
        await self._engine.recorder.end(msgspec.structs.replace(row, data={"check": verdict.check}))
        self._engine.metrics.gate_denied.labels(verdict.check).inc()
        self._count(plan.prepared.spec.type, RunStatus.SKIPPED)
        bind(_log, **plan.labels()).info("skipped: %s", verdict.reason, event="run.skipped")
        return _result(plan.run_id, RunStatus.SKIPPED, verdict.reason, verdict.check)

    async def _not_renderable(self, plan: Plan, existing: Run | None, reason: str) -> Result:
        if existing is None:
            await self._engine.recorder.end(self._engine.recorder.row(plan, {}, RunStatus.FAILED, reason))
        else:
            await self._engine.recorder.close(existing, RunStatus.FAILED, Outcome.failure(reason))
        self._count(plan.prepared.spec.type, RunStatus.FAILED)
        bind(_log, **plan.labels()).error("%s", reason, event="run.failed")
        return _result(plan.run_id, RunStatus.FAILED, reason)

    async def _preview(self, plan: Plan, params: Params, shown: dict[str, Any]) -> Result:
        row = self._engine.recorder.row(plan, shown, RunStatus.PREVIEWED)
        try:
            ctx = self.context(plan, row)
            text = await guarded(
                self._engine.dispatcher.invoke(plan.prepared.action.preview, ctx, params),
                plan.prepared.action,
                ctx,
            )
        except AutomationError as error:
            reason = f"the preview failed: {error}"
            await self._engine.recorder.end(self._engine.recorder.row(plan, shown, RunStatus.FAILED, reason))
            return _result(plan.run_id, RunStatus.FAILED, reason)
        await self._engine.recorder.end(self._engine.recorder.row(plan, shown, RunStatus.PREVIEWED, text))
        self._count(plan.prepared.spec.type, RunStatus.PREVIEWED)
        bind(_log, **plan.labels()).info("dry run: %s", text, event="run.previewed")
        return _result(plan.run_id, RunStatus.PREVIEWED, text)

    # --- acting --------------------------------------------------------------------------------------------------

    def attempts(self, plan: Plan, params: Params, shown: dict[str, Any]) -> Attempts:
        row = self._engine.recorder.row(plan, shown, RunStatus.RUNNING)
        prepared = plan.prepared
        return Attempts(
            self._engine,
            prepared.action,
            prepared.spec.common,
            params,
            row,
            lambda run: self.context(plan, run),
            has_slot=bool(plan.ancestors),
        )

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
        history = History(await self._engine.recorder.journal.live_runs(parent.incident.id))
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
        level = logging.INFO if outcome.ok else logging.ERROR
        log = bind(_log, run=run.id, incident=run.incident_id, action=run.action, condition=run.condition)
        log.log(level, "%s: %s", status, outcome.message, event=f"run.{status}")
        return _result(run.id, status, outcome.message)

    def _count(self, action_type: str, status: RunStatus) -> None:
        self._engine.metrics.runs.labels(action_type, status).inc()
        self._engine.tally.runs[status] += 1


__all__ = ["ParkedError", "Result", "Runner"]
