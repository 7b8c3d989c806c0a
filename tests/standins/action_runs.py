"""One attempt of an action as the engine would make it, with the shared clients and a clock that the test sets."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from automation_consumer.clock import Clock
from automation_consumer.errors import SecretError
from automation_consumer.logs import bind
from automation_consumer.model.incident import Alert, Incident
from automation_consumer.model.outcome import Outcome
from automation_consumer.plugin import ActionContext
from automation_consumer.service.clients import SharedClients


async def _no_action(name: str) -> Outcome:
    return Outcome.failure(f"no action {name}")


def attempt_of(
    incident: Incident,
    alert: Alert | None = None,
    *,
    clients: SharedClients,
    clock: Clock,
    connection: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    run_id: str = "r1",
    attempt: int = 1,
) -> ActionContext:
    """The context of an attempt whose run key is `RUN_ID-ATTEMPT`."""
    values = dict(secrets or {})

    def secret(name: str) -> str:
        if name not in values:
            raise SecretError(f"no secret {name!r}")
        return values[name]

    return ActionContext(
        run_key=f"{run_id}-{attempt}",
        run_id=run_id,
        attempt=attempt,
        action="the_action",
        incident=incident,
        alert=alert,
        alerts=incident.alerts,
        started_at=clock.now(),
        connection=connection or {},
        connections={},
        secret=secret,
        clients=clients,
        run_action=_no_action,
        log=bind(logging.getLogger("automation_consumer.test"), run=run_id),
        clock=clock,
    )
