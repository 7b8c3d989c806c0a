"""What the conditions decided about one incident."""

from __future__ import annotations

import msgspec

from automation_consumer.model.incident import Alert, Incident


class Match(msgspec.Struct, frozen=True):
    """A condition took an incident. `alerts` are the alerts that it handles, in the incident's order."""

    condition: str
    incident: Incident
    alerts: tuple[Alert, ...]
