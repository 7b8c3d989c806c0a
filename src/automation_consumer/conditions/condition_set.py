"""The compiled conditions of one configuration, and which of them take an incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automation_consumer.conditions.index import Index
from automation_consumer.conditions.requirements import Requirements, requirements
from automation_consumer.conditions.tree import All
from automation_consumer.config.settings import Place
from automation_consumer.model.incident import Alert, Incident
from automation_consumer.model.match import Match


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """One condition: a tree on the incident and, where `alerts` is not empty, a tree on each alert."""

    name: str
    place: Place
    enabled: bool
    continues: bool
    match: All
    alerts: All

    @property
    def filters_alerts(self) -> bool:
        return bool(self.alerts.children)

    def take(self, incident: Incident, now: float) -> tuple[Alert, ...] | None:
        """The alerts that it handles (all of them, maybe none, without a tree on alerts); None when it does not match."""
        if not self.match.holds(incident, now):
            return None
        if not self.alerts.children:
            return incident.alerts
        return tuple(alert for alert in incident.alerts if self.alerts.holds(alert, now)) or None

    def requirements(self) -> Requirements:
        """What an incident, or one of its alerts, must have so that this can match."""
        return {**requirements(self.match), **requirements(self.alerts)}


class ConditionSet:
    """All conditions in file order. Immutable; safe to use from several threads."""

    def __init__(self, conditions: Sequence[CompiledCondition]) -> None:
        self.conditions = tuple(conditions)
        self._index = Index(
            (order, condition.requirements())
            for order, condition in enumerate(self.conditions)
            if condition.enabled
        )

    def __len__(self) -> int:
        return len(self.conditions)

    def match(self, incident: Incident, now: float) -> list[Match]:
        """The conditions that take the incident, in file order: the first that matches, and the next ones for as
        long as they say `continue: true`. `now` is in epoch seconds. Never blocks."""
        matches: list[Match] = []
        for order in self._index.candidates(incident):
            condition = self.conditions[order]
            alerts = condition.take(incident, now)
            if alerts is not None:
                matches.append(Match(condition.name, incident, alerts))
                if not condition.continues:
                    break
        return matches
