"""The journal's side of a run: written before it acts, closed by a conditional write. Secrets never get here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from automation_consumer.clock import Clock
from automation_consumer.errors import FencedError
from automation_consumer.model.message import Message
from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.pipeline.plan import Plan
from automation_consumer.store.journal import Journal

OUTPUT_TAIL = 8_192  # characters of a run's output that the journal keeps
REASON_LENGTH = 2_000


def _nobody(run: Run) -> None:
    """Nobody is told."""


class Recorder:
    """Writes one run's states. Every text is masked and bounded."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        mask: Callable[[str], str],
        announce: Callable[[Run], None] = _nobody,
    ) -> None:
        self._announce = announce
        self.journal = journal
        self._clock = clock
        self._mask = mask

    def row(self, plan: Plan, params: dict[str, Any], status: RunStatus, reason: str = "") -> Run:
        """The first row of a run, not written yet. `params` are rendered with secrets masked."""
        return Run(
            id=plan.run_id,
            status=status,
            incident_id=plan.incident.id,
            alert_id=plan.alert.id if plan.alert else None,
            condition=plan.condition,
            phase=plan.phase,
            action=plan.action,
            action_type=plan.prepared.spec.type,
            subject=plan.subject,
            digest=plan.digest,
            target=plan.target,
            rule=plan.ruleset.rule(plan.condition),
            config_version=plan.ruleset.config.version,
            topic=plan.message.topic,
            partition=plan.message.partition,
            offset=plan.message.offset,
            created_at=self._clock.now(),
            params=self._masked(params),
            request=plan.request,
            reason=self._text(reason),
        )

    async def begin(self, run: Run, message: Message) -> Run:
        """Write the intent, and the message beside it. FencedError when another process has begun this very run."""
        return self._ours(await self.journal.open(run, message), run.status)

    async def end(self, run: Run, message: Message | None) -> Run:
        """Write a run that ends where it begins (denied, previewed, not renderable). FencedError as `begin`.

        A dry run gives no message: nobody is to take it up and act on it.
        """
        ended = await self.journal.open(msgspec.structs.replace(run, ended_at=run.created_at), message)
        ended = self._ours(ended, run.status)
        self._announce(ended)
        return ended

    async def running(self, run: Run) -> None:
        """A further attempt is about to act. FencedError when another process has taken the run over."""
        now = self._clock.now()
        await self._change(
            run, RunStatus.RUNNING, f"attempt {run.attempt}", attempt=run.attempt, next_at=now, handle=None
        )

    async def waiting(self, run: Run, handle: Handle, deadline_at: float | None, detail: str) -> None:
        """A remote job is known: from here on a restart polls instead of starting."""
        await self._change(
            run,
            RunStatus.WAITING,
            self._text(detail),
            handle=msgspec.to_builtins(handle),
            url=handle.url,
            deadline_at=deadline_at,
        )

    async def retrying(self, run: Run, reason: str, next_at: float) -> None:
        """An attempt failed; the next one is due then."""
        await self._change(run, RunStatus.RETRYING, self._text(reason), next_at=next_at, handle=None)

    async def close(self, run: Run, status: RunStatus, outcome: Outcome) -> bool:
        """The final state. False when the run had ended already; FencedError when it is another process's now."""
        now = self._clock.now()
        fields: dict[str, Any] = {"ended_at": now, "next_at": None, "reason": self._text(outcome.message)}
        if outcome.url is not None:
            fields["url"] = self._text(outcome.url)
        if outcome.output is not None:
            fields["output"] = _printable(self._mask(outcome.output))[-OUTPUT_TAIL:]
        if outcome.data:
            fields["data"] = self._masked(outcome.data)
        landed = await self.journal.change(run, status, now, fields["reason"], **fields)
        if landed:
            self._announce(msgspec.structs.replace(run, status=status, **fields))
        return landed

    async def _change(self, run: Run, to: RunStatus, detail: str, **fields: Any) -> None:
        if not await self.journal.change(run, to, self._clock.now(), detail, **fields):
            raise FencedError(f"run {run.id} has ended already")

    def _ours(self, run: Run, written: RunStatus) -> Run:
        """The run as it stands, when that is what we have written just now."""
        if run.owner != self.journal.process or run.status is not written:
            raise FencedError(f"run {run.id} was begun before, by process {run.owner}: it is {run.status}")
        return run

    def _text(self, text: str) -> str:
        return _printable(self._mask(text))[:REASON_LENGTH]

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return _printable(self._mask(value))
        if isinstance(value, dict):
            return {self._masked(str(key)): self._masked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        return value


def _printable(text: str) -> str:
    """Without lone surrogates, which neither the journal nor a log can hold."""
    return text.encode("utf-8", "replace").decode()
