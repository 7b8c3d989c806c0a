"""What refers to what, across files: actions named by conditions, connections named by actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from automation_consumer.config.merge import Item, Merged
from automation_consumer.config.problems import Code, Problem, Severity, problem
from automation_consumer.config.suggest import did_you_mean
from automation_consumer.errors import PluginError
from automation_consumer.plugin.action import Scope
from automation_consumer.plugin.registry import Registry

ACTION_LISTS: Final = {
    "checks": Scope.INCIDENT,
    "alert_actions": Scope.ALERT,
    "incident_actions": Scope.INCIDENT,
    "on_success": Scope.INCIDENT,
    "on_failure": Scope.INCIDENT,
}
"""The lists of a condition that name actions, and what an action is about that stands there."""

MAX_SUGGESTIONS: Final = 200
"""Names compared with all others; where more are unknown, a file is missing, and suggestions would take minutes."""

PROVIDED_CONNECTIONS: Final = frozenset({"kafka"})
"""Connections that are there although no one defines them."""


def check_references(merged: Merged, registry: Registry, *, complete: bool = True) -> list[Problem]:
    """Everything that is named and not there, stands where it may not, or is there and not named.

    When the files are not `complete` (one could not be read), nothing can be said of what is not there.
    """
    actions: dict[str, Item] = {}
    for item in merged.actions:
        if item.name is not None:
            actions.setdefault(item.name, item)
    scopes = {name: _scope(item, registry) for name, item in actions.items()}
    problems: list[Problem] = []
    used: set[str] = set()
    for item in merged.conditions:
        for path, name in _named(item):
            used.add(name)
            problems += _check_name(item, path, name, scopes, suggest=len(problems) < MAX_SUGGESTIONS)
    for item in merged.actions:
        problems += _check_connection(item, merged.maps["connections"])
    problems += _unused(actions, used)
    return problems if complete else [each for each in problems if each.code == Code.WRONG_SCOPE]


def _scope(item: Item, registry: Registry) -> Scope:
    """What the action is about; ANY where its type is not known, which is reported elsewhere."""
    type_name = item.data.get("type")
    if not isinstance(type_name, str) or type_name not in registry:
        return Scope.ANY
    try:
        return registry.get(type_name).scope
    except PluginError:
        return Scope.ANY


def _named(item: Item) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path, name) of every action that a condition names."""
    if not isinstance(item.data, dict):
        return
    for part in ACTION_LISTS:
        names = item.data.get(part)
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str):
                yield (part, index), name


def _check_name(
    item: Item, path: tuple[str | int, ...], name: str, scopes: dict[str, Scope], *, suggest: bool
) -> list[Problem]:
    scope = scopes.get(name)
    part = str(path[0])
    if scope is None:
        hint = did_you_mean(name, scopes) if suggest else ""
        message = f"no action {name!r} is defined, in {part!r} of {item.subject}{hint}"
        return [item.problem(path, Code.UNKNOWN_ACTION, message)]
    if scope in (Scope.ANY, ACTION_LISTS[part]):
        return []
    if scope is Scope.ALERT:
        why = f"the action {name!r} is about an alert, and {part!r} runs once for the incident: list it in 'alert_actions'"
    else:
        why = f"the action {name!r} is about the incident, and 'alert_actions' runs for each alert: list it in 'incident_actions'"
    return [item.problem(path, Code.WRONG_SCOPE, why)]


def _check_connection(item: Item, connections: dict[str, Any]) -> list[Problem]:
    name = item.data.get("connection") if isinstance(item.data, dict) else None
    if not isinstance(name, str) or name in connections or name in PROVIDED_CONNECTIONS:
        return []
    message = f"no connection {name!r} is defined, in {item.subject}{did_you_mean(name, connections)}"
    return [item.problem(("connection",), Code.UNKNOWN_CONNECTION, message)]


def _unused(actions: dict[str, Item], used: set[str]) -> list[Problem]:
    idle = {name for name in actions if name not in used}
    for item in actions.values():
        if not idle:
            break
        idle -= {
            text for text in _texts(item.data) if text != item.name
        }  # an action may run another by its name
    return [
        problem(
            actions[name].place(),
            Code.UNUSED_ACTION,
            f"no condition uses the action {name!r}",
            path=actions[name].path,
            severity=Severity.WARNING,
        )
        for name in actions
        if name in idle
    ]


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
