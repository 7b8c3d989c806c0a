"""What operators tell the running service through the journal: what is paused, and what is asked of single runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from automation_consumer.clock import Clock, iso
from automation_consumer.errors import AutomationError, StoreError
from automation_consumer.logs import bind, get_logger
from automation_consumer.metrics import Metrics
from automation_consumer.model.switch import REFUSED, Request, Scope, Switch
from automation_consumer.pipeline.pauses import ParkedError
from automation_consumer.store.journal import Journal

_log = get_logger(__name__)

LOOK_EVERY_S: Final = 1.0  # a pause is seen by all replicas within two seconds

OnIntake = Callable[[Switch | None], None]
OnRequest = Callable[[Request], Awaitable[str]]


class Switchboard:
    """Knows the pauses, and hands requests on. On the event loop; `covering` and `facts` from any thread.

    `on_intake` is called when a pause of the intake begins (with it) and when it ends (with None). `on_request` fulfils
    a request and returns what to tell the operator; an AutomationError is a refusal, with its text as the reason.
    `mask` takes the secrets out of what the health page shows.
    While the journal cannot be reached the last known pauses hold.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        metrics: Metrics,
        *,
        on_request: OnRequest,
        on_intake: OnIntake = lambda switch: None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._on_request = on_request
        self._on_intake = on_intake
        self._mask = mask
        self._switches: tuple[Switch, ...] = ()  # as the journal had them last
        self._in_force: dict[str, Switch] = {}  # as it was last told
        self._intake: Switch | None = None
        self._taken: list[Request] = []  # from the journal, and nobody has begun with them
        self._looking: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    def covering(self, condition: str, action: str, action_type: str, now: float) -> Switch | None:
        """The oldest pause that covers a run of this action for this condition. In memory; never blocks."""
        for switch in self._switches:
            if switch.holds(now) and switch.covers(condition, action, action_type):
                return switch
        return None

    def facts(self) -> list[dict[str, Any]]:
        """The pauses in force, for the health page; what people wrote is masked."""
        now = self._clock.now()
        return [as_dict(masked(switch, self._mask)) for switch in self._switches if switch.holds(now)]

    async def start(self) -> None:
        """Look once, so that nothing acts before its pause is known; then look every second. Errors as `look`."""
        await self.look()
        self._looking = asyncio.get_running_loop().create_task(self._keep_looking(), name="switchboard")

    async def stop(self) -> None:
        """Look no longer. Requests that are being fulfilled are left: another process takes those without an answer."""
        tasks = [task for task in (self._looking, *self._answering) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Ask the journal once. Waits while it cannot be reached; StoreError when it can be, and refuses."""
        # Requests first: whoever ends a pause and then asks for what it skipped must not be refused by that pause.
        self._taken += await self._journal.requests()
        self._switches = tuple(await self._journal.switches())
        self._tell()
        requests, self._taken = self._taken, []
        for request in requests:
            task = asyncio.get_running_loop().create_task(self._fulfil(request))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _keep_looking(self) -> None:
        told: set[type[Exception]] = set()
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            try:
                if not self._journal.available:
                    self._tell()  # a pause may end by its time meanwhile
                    continue
                await self.look()
                told.clear()
            except Exception as error:  # noqa: BLE001 - the kill switch goes on, whatever is wrong with one row of it
                if type(error) not in told:
                    self._complain(error)
                told.add(type(error))

    def _complain(self, error: Exception) -> None:
        _log.error(
            "pauses and requests cannot be read; the last known pauses hold: %s",
            error if isinstance(error, StoreError) else f"{type(error).__name__}: {error}",
            event="switchboard.unreadable",
            exc_info=None if isinstance(error, StoreError) else error,
        )

    def _tell(self) -> None:
        """Say what has begun and ended since the last look."""
        now = self._clock.now()
        in_force = {switch.id: switch for switch in self._switches if switch.holds(now)}
        before, self._in_force = self._in_force, in_force
        for switch in in_force.values():
            if switch.id not in before:
                until = iso(switch.until) if switch.until is not None else "somebody resumes it"
                _log.warning(
                    "%s is paused by %s until %s: %s",
                    described(switch),
                    switch.who,
                    until,
                    switch.why,
                    event="pause.begun",
                    pause=switch.id,
                )
        for switch in before.values():
            if switch.id not in in_force:
                self._say_ended(switch, now)
        self._metrics.pauses.set(len(in_force))
        intake = next((each for each in in_force.values() if each.scope is Scope.INTAKE), None)
        if (intake and intake.id) != (self._intake and self._intake.id):
            self._on_intake(intake)
        self._intake = intake

    def _say_ended(self, switch: Switch, now: float) -> None:
        over = switch.until is not None and switch.until <= now
        ended = f"the pause by {switch.who} {'is over' if over else 'was resumed'}"
        others = [other for other in self._in_force.values() if overlap(other, switch)]
        _log.info("%s: %s", after(switch, others), ended, event="pause.ended", pause=switch.id)

    async def _fulfil(self, request: Request) -> None:
        log = bind(_log, run=request.run_id, request=request.id)
        log.info("%s asked for by %s", request.wish, request.who, event="request.taken")
        try:
            text = await self._on_request(request)
        except ParkedError:
            return  # the process stops; the next one takes the request up
        except AutomationError as error:
            text = f"{REFUSED} {error}"
        except Exception as error:
            log.exception("the request cannot be fulfilled", event="request.bug")
            text = f"{REFUSED} {type(error).__name__}: {error}; the service's log says more"
        log.info("%s", text, event="request.answered")
        try:
            await self._journal.answer(request, text, self._clock.now())
        except StoreError as error:
            log.warning("the answer cannot be written: %s", error, event="request.unanswered")


def described(switch: Switch) -> str:
    """What it covers, for people: `everything`, `action drain`."""
    return f"{str(switch.scope).replace('-', ' ')} {switch.name}".strip()


def overlap(one: Switch, other: Switch) -> bool:
    """Whether there may be something that both of them cover."""
    if Scope.INTAKE in (one.scope, other.scope):
        return one.scope is other.scope
    return one.scope is not other.scope or one.name == other.name


def after(ended: Switch, others: Sequence[Switch]) -> str:
    """What is so when a pause has ended, while `others` that overlap with it hold, for people."""
    whole = [each for each in others if each.scope in (Scope.EVERYTHING, ended.scope)]
    names = ", ".join(f"{described(each)} ({each.id})" for each in whole or others)
    if whole:
        return f"{described(ended)} stays paused by {names}"
    return f"{described(ended)} acts again" + (f", but for what stays paused by {names}" if others else "")


def masked(switch: Switch, mask: Callable[[str], str]) -> Switch:
    """The pause with what people wrote masked: somebody may have pasted a secret into the reason."""
    return msgspec.structs.replace(switch, who=mask(switch.who), why=mask(switch.why))


def as_dict(switch: Switch) -> dict[str, Any]:
    """A pause as JSON output shows it: times as ISO 8601."""
    return {
        "id": switch.id,
        "scope": str(switch.scope),
        "name": switch.name,
        "who": switch.who,
        "why": switch.why,
        "since": iso(switch.since),
        "until": iso(switch.until) if switch.until is not None else None,
    }
