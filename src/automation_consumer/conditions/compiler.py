"""Compiles the conditions of a configuration, with all of their mistakes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from automation_consumer.conditions.condition_set import CompiledCondition, ConditionSet
from automation_consumer.conditions.fields import Subject
from automation_consumer.conditions.parse import Code, Path, Report, parse_tree
from automation_consumer.conditions.shadows import find_shadows
from automation_consumer.config.problems import Problem, problem
from automation_consumer.config.settings import ConditionSpec, Config, Place

SECTION = "incident_conditions"

Where: TypeAlias = Callable[[Path], Place]
"""The position of a path of the merged configuration, such as `("incident_conditions", 3, "match", "status")`."""


def compile_conditions(
    config: Config, where: Where | None = None
) -> tuple[ConditionSet | None, list[Problem]]:
    """The conditions, ready to match, and every problem found; None when there are problems.

    Without `where` a problem is placed at its condition.
    """
    problems: list[Problem] = []
    compiled = [
        _compile(spec, (SECTION, number), _reporter(spec, where, problems))
        for number, spec in enumerate(config.conditions)
    ]
    if not problems:  # a tree with a mistake is not whole, so nothing can be proved of it
        for late, early in find_shadows(compiled):
            _report_shadow(compiled[late], compiled[early], (SECTION, late), where, problems)
    return (None if problems else ConditionSet(compiled)), problems


def _compile(spec: ConditionSpec, path: Path, report: Report) -> CompiledCondition:
    condition = spec.condition
    return CompiledCondition(
        name=condition.name,
        place=spec.place,
        enabled=condition.enabled,
        continues=condition.continue_,
        match=parse_tree(condition.match, Subject.INCIDENT, (*path, "match"), report),
        alerts=parse_tree(condition.alerts, Subject.ALERT, (*path, "alerts"), report),
    )


def _reporter(spec: ConditionSpec, where: Where | None, problems: list[Problem]) -> Report:
    def report(path: Path, code: Code, message: str) -> None:
        place = where(path) if where else spec.place
        problems.append(problem(place, code, f"condition {spec.name!r}: {message}", path=path))

    return report


def _report_shadow(
    late: CompiledCondition,
    early: CompiledCondition,
    path: Path,
    where: Where | None,
    problems: list[Problem],
) -> None:
    message = (
        f"condition {late.name!r} never matches: {early.name!r} ({early.place}) takes everything that it would; "
        f"move it before, narrow the earlier one, or give that one continue: true"
    )
    place = where(path) if where else late.place
    problems.append(problem(place, Code.SHADOWED_CONDITION, message, path=path))
