"""Why an incident did or did not match: every condition, every clause, also past the first that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from automation_consumer.conditions.condition_set import CompiledCondition, ConditionSet
from automation_consumer.conditions.tree import All, Clause, Node, Not
from automation_consumer.model.incident import Alert, Incident


class ClauseReport(msgspec.Struct, frozen=True):
    """One clause on one subject. For `all`, `any` and `not`, `path` and `operator` are that word and `clauses` is what
    stands under it. `actual` is None when the field is absent."""

    path: str
    operator: str
    expected: Any
    actual: Any
    result: bool
    clauses: tuple[ClauseReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, nested."""
        return {**msgspec.structs.asdict(self), "clauses": [each.as_dict() for each in self.clauses]}


class AlertReport(msgspec.Struct, frozen=True):
    """One alert: whether it satisfies the condition's `alerts`, and each clause of it."""

    alert: str
    result: bool
    clauses: tuple[ClauseReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, nested."""
        return {**msgspec.structs.asdict(self), "clauses": [each.as_dict() for each in self.clauses]}


class ConditionReport(msgspec.Struct, frozen=True):
    """One condition. `holds`: its clauses hold. `matched`: it takes the incident. `reason`: why, or why not."""

    condition: str
    rule: str
    matched: bool
    holds: bool
    reason: str
    clauses: tuple[ClauseReport, ...] = ()
    alerts: tuple[AlertReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, nested."""
        return {
            **msgspec.structs.asdict(self),
            "clauses": [each.as_dict() for each in self.clauses],
            "alerts": [each.as_dict() for each in self.alerts],
        }


def explain(conditions: ConditionSet, incident: Incident, now: float) -> list[ConditionReport]:
    """A report per condition, in file order. `matched` is what `ConditionSet.match` decides. Never blocks."""
    reports, taken_by = [], None
    for condition in conditions.conditions:
        report = _condition(condition, incident, now, taken_by)
        reports.append(report)
        if report.matched and not condition.continues:
            taken_by = condition.name
    return reports


def _condition(
    condition: CompiledCondition, incident: Incident, now: float, taken_by: str | None
) -> ConditionReport:
    clauses = tuple(_node(child, incident, now) for child in condition.match.children)
    alerts = tuple(_alert(condition.alerts, alert, now) for alert in incident.alerts)
    handled = sum(alert.result for alert in alerts)
    holds = all(clause.result for clause in clauses) and (handled > 0 or not condition.filters_alerts)
    if not condition.enabled:
        reason = "it is disabled (enabled: false)"
    elif not holds:
        reason = _why_not(clauses, alerts)
    elif taken_by is not None:
        reason = f"its clauses hold, but an earlier condition took the incident: {taken_by}"
    else:
        reason = f"every clause holds; it handles {handled} of {len(alerts)} alerts"
    matched = holds and condition.enabled and taken_by is None
    return ConditionReport(condition.name, str(condition.place), matched, holds, reason, clauses, alerts)


def _why_not(clauses: Sequence[ClauseReport], alerts: Sequence[AlertReport]) -> str:
    failed = [_words(clause) for clause in clauses if not clause.result]
    if failed:
        return "does not hold: " + "; ".join(failed)
    if not alerts:
        return "none of its alerts can match: the incident has no alerts"
    return f"none of the {len(alerts)} alerts satisfies `alerts`"


def _words(clause: ClauseReport) -> str:
    if clause.clauses:
        return f"{clause.path} ({'; '.join(_words(each) for each in clause.clauses)})"
    actual = "absent" if clause.actual is None else repr(clause.actual)
    return f"{clause.path} {clause.operator} {clause.expected!r}, it is {actual}"


def _alert(tree: All, alert: Alert, now: float) -> AlertReport:
    clauses = tuple(_node(child, alert, now) for child in tree.children)
    return AlertReport(alert.id, all(clause.result for clause in clauses), clauses)


def _node(node: Node, subject: Any, now: float) -> ClauseReport:
    if isinstance(node, Clause):
        actual = node.field.read(subject)
        return ClauseReport(
            node.field.path, node.operator.value, node.expected, actual, node.passes(actual, now)
        )
    word = {"All": "all", "AnyOf": "any", "Not": "not"}[type(node).__name__]
    below = (node.child,) if isinstance(node, Not) else node.children
    clauses = tuple(_node(child, subject, now) for child in below)
    return ClauseReport(word, word, None, None, node.holds(subject, now), clauses)
