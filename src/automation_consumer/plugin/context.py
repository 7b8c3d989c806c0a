"""What the engine hands to an action. It has neither the store, nor the registry, nor the loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from logging import LoggerAdapter
from typing import Any, Protocol, TypeVar

from automation_consumer.clock import Clock
from automation_consumer.model.incident import Alert, Incident
from automation_consumer.model.outcome import Outcome

C = TypeVar("C")


class Clients(Protocol):
    """Shared clients of outside systems: one per key, made on first use, closed at shutdown. Thread-safe."""

    def get(self, key: tuple[object, ...], make: Callable[[], C]) -> C: ...


class ActionContext:
    """One attempt of one run, seen from inside the action. Read-only."""

    def __init__(
        self,
        *,
        run_key: str,
        run_id: str,
        attempt: int,
        action: str,
        incident: Incident,
        alert: Alert | None,
        alerts: tuple[Alert, ...],
        started_at: float,
        connection: Mapping[str, Any],
        connections: Mapping[str, Mapping[str, Any]],
        secret: Callable[[str], str],
        clients: Clients,
        run_action: Callable[[str], Awaitable[Outcome]],
        log: LoggerAdapter[Any],
        clock: Clock,
    ) -> None:
        self.run_key = run_key
        """The marker of this attempt: the idempotency key that a remote job carries."""
        self.run_id = run_id
        self.attempt = attempt
        self.action = action
        """The action's name in the YAML."""
        self.incident = incident
        self.alert = alert
        """The alert of an alert action; None for an incident action."""
        self.alerts = alerts
        """The alerts that the condition handles."""
        self.started_at = started_at
        """When the run was first written to the journal (epoch seconds): the same after a restart."""
        self.connection = connection
        """The settings of the action's own connection; empty when it has none."""
        self.connections = connections
        """All named connections."""
        self.secret = secret
        """The value of a secret by name; `SecretError` when it is not there. The value is masked everywhere from then on."""
        self.clients = clients
        self.run_action = run_action
        """Run another action of the config, by name, for the same incident and alert, through the same gate."""
        self.log = log
        """A logger that carries the run's ids."""
        self.clock = clock
