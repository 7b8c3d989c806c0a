"""Asking a running service for something about a run, and waiting for its answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from secrets import token_hex
from typing import Final

from automation_consumer.clock import Clock
from automation_consumer.model.run import Run
from automation_consumer.model.switch import REFUSED, Request, Wish
from automation_consumer.store.journal import JournalReader, RunFilter

LOOK_EVERY_S: Final = 0.2
_NEWEST: Final = 200


def refused(answer: str) -> bool:
    """Whether the service has said no."""
    return answer.startswith(REFUSED)


def retry(reader: JournalReader, run: Run, who: str, now: float, *, again: bool = False) -> Request:
    """A request to run it again, not sent yet: the same one however often it is asked for, so that it is done once.

    Unless it was refused, or with `again`: then a new one.
    """
    number = 1
    while True:
        digest = hashlib.sha256(f"{run.id}\x1f{number}".encode()).hexdigest()
        request = Request(f"q{digest[:16]}", Wish.RETRY, run.id, who, now)
        answer = reader.answer_to(request.id)
        if answer is None or not (again or refused(answer)):
            return request
        number += 1


def cancel(run: Run, who: str, now: float) -> Request:
    """A request to end it, not sent yet."""
    return Request(f"q{token_hex(8)}", Wish.CANCEL, run.id, who, now)


def answers(
    reader: JournalReader, requests: Sequence[Request], wait_s: float, clock: Clock
) -> dict[str, str]:
    """The answers by request id, as far as they come within `wait_s` seconds. Blocks for that long at most."""
    return asyncio.run(_answers(reader, requests, wait_s, clock))


def begun(reader: JournalReader, request: Request, incident_id: str) -> Run | None:
    """The newest run that a service has begun for the request; None when there is none."""
    found = reader.runs(RunFilter(incident_id=incident_id, limit=_NEWEST))
    return next((run for run in found if run.request == request.id), None)


async def _answers(
    reader: JournalReader, requests: Sequence[Request], wait_s: float, clock: Clock
) -> dict[str, str]:
    found: dict[str, str] = {}
    end = clock.monotonic() + wait_s
    while True:
        for request in requests:
            if request.id not in found and (answer := reader.answer_to(request.id)) is not None:
                found[request.id] = answer
        if len(found) == len(requests) or clock.monotonic() >= end:
            return found
        await clock.sleep(LOOK_EVERY_S)
