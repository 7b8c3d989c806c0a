"""What an action sees in a test: a context with a clock that tests move, and clients that are really shared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from automation_consumer.logs import bind
from automation_consumer.model.incident import Alert, Incident, Lazy
from automation_consumer.model.outcome import Outcome
from automation_consumer.plugin import ActionContext


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class SharedClients:
    """One client per key."""

    def __init__(self) -> None:
        self.made: dict[tuple[object, ...], Any] = {}

    def get(self, key: tuple[object, ...], make: Callable[[], Any]) -> Any:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def close(self) -> None:
        for client in self.made.values():
            client.close()


def make_incident(alert: Alert, **fields: Any) -> Incident:
    values: dict[str, Any] = {
        "id": "inc-1",
        "format": "bigpanda",
        "title": "Disk full",
        "alert_count": 1,
        **fields,
    }
    return Incident(load_alerts=Lazy(lambda: (alert,)), load_tags=Lazy(dict), **values)


async def _no_action(name: str) -> Outcome:
    return Outcome.failure(f"no action {name}")


def make_context(
    *,
    clock: Any = None,
    clients: Any = None,
    connection: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    run_id: str = "r1",
    attempt: int = 1,
    started_at: float | None = None,
) -> ActionContext:
    clock = clock or ManualClock()
    alert = Alert("a-1", host="web-1")
    values = dict(secrets or {})
    return ActionContext(
        run_key=f"{run_id}-{attempt}",
        run_id=run_id,
        attempt=attempt,
        action="the_action",
        incident=make_incident(alert),
        alert=alert,
        alerts=(alert,),
        started_at=clock.now() if started_at is None else started_at,
        connection=connection or {},
        connections={},
        secret=values.__getitem__,
        clients=clients or SharedClients(),
        run_action=_no_action,
        log=bind(logging.getLogger("automation_consumer.test"), run=run_id),
        clock=clock,
    )
