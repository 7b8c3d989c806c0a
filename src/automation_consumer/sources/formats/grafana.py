"""Grafana Alerting's webhook contact point: Alertmanager's body with Grafana's own fields.

Group keys are unique in one organisation, so the incident's id is `grafana-` and a digest of both.
"""

from __future__ import annotations

from typing import Any

from automation_consumer.model.incident import Incident
from automation_consumer.sources.formats.alertmanager import GroupShape, incident
from automation_consumer.sources.formats.shape import digest, identity, shape

NAME = "grafana"


def read(document: Any) -> Incident:
    """The incident of a notification. Raises DecodeError."""
    group = shape(document, GroupShape)
    key = identity(group.groupKey, "groupKey")
    return incident(group, NAME, f"grafana-{digest([group.orgId, key])}")
