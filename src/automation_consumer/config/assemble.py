"""Builds the frozen parts of a `Config` from the merged files, and collects what the parts' models refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from automation_consumer.config.check import Checks
from automation_consumer.config.merge import Item, Merged
from automation_consumer.config.messages import of_model
from automation_consumer.config.problems import Code, Problem, path_text, problem
from automation_consumer.config.settings import ActionSpec, CommonOptions, Condition, ConditionSpec, TopLevel
from automation_consumer.plugin.params import Params
from automation_consumer.plugin.registry import Registry

_TEMPLATE_MARKS = ("{{", "{%", "$secret:")


class Assembly:
    """Parts that are fine by themselves come back; `problems` has what is wrong with the others.

    `damaged_*` have the parts that the schema refuses somewhere, but that are whole enough to look at the rest of them.
    """

    def __init__(self, registry: Registry, checks: Checks) -> None:
        self.problems: list[Problem] = []
        self.damaged_actions: dict[str, tuple[Item, ActionSpec]] = {}
        self.damaged_conditions: list[tuple[Item, ConditionSpec]] = []
        self._registry = registry
        self._checks = checks

    def actions(self, items: Sequence[Item]) -> dict[str, tuple[Item, ActionSpec]]:
        """The actions by name; of two with one name, the first."""
        good: dict[str, tuple[Item, ActionSpec]] = {}
        for item in items:
            found = self._checks.action(item)
            self.problems += found
            if any(each.code in (Code.UNKNOWN_TYPE, Code.BROKEN_TYPE) for each in found):
                continue
            spec = self._action(item, found)
            if spec is not None:
                kept = self.damaged_actions if found else good
                kept.setdefault(spec.name, (item, spec))
        return good

    def conditions(self, items: Sequence[Item]) -> list[tuple[Item, ConditionSpec]]:
        """The conditions in order; of two with one name, the first."""
        good: dict[str, tuple[Item, ConditionSpec]] = {}
        for item in items:
            found = self._checks.condition(item)
            self.problems += found
            try:
                condition = Condition.model_validate(item.data)
            except ValidationError as error:
                self._refused(item, error, found)
                continue
            spec = ConditionSpec(condition, item.place())
            if found:
                self.damaged_conditions.append((item, spec))
            else:
                good.setdefault(condition.name, (item, spec))
        return list(good.values())

    def settings(self, merged: Merged, conditions: list[Condition], found: list[Problem]) -> TopLevel:
        """The sections that are fine, and defaults for the others. `found`: what the schema says of the sections."""
        connections = merged.maps["connections"]
        data: dict[str, Any] = {
            "version": 1,
            **merged.sections,
            "connections": {name: value for name, value in connections.items() if isinstance(value, dict)},
            "vars": merged.maps["vars"],
            "actions": [item.data for item in merged.actions if isinstance(item.data, dict)],
            "incident_conditions": conditions,
        }
        try:
            return TopLevel.model_validate(data)
        except ValidationError as error:
            said = {each.path for each in found}
            for each in of_model(error, "the configuration", own_only=bool(found)):
                if path_text(each.path) not in said:
                    place = merged.homes[(str(each.path[0]),)].position(each.path)
                    self.problems.append(problem(place, each.code, each.message, path=each.path))
            refused = {each["loc"][0] for each in error.errors()}
            return TopLevel.model_validate({name: data[name] for name in data if name not in refused})

    def _action(self, item: Item, found: list[Problem]) -> ActionSpec | None:
        """The action, once its type's own validators are content. `found`: what the schema has said of it."""
        raw = item.data
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            return None
        model: type[Params] = self._registry.get(raw["type"]).Params
        fields = {info.alias or name: info for name, info in model.model_fields.items()}
        own = {key: value for key, value in raw.items() if key in fields}
        common = {key: value for key, value in raw.items() if key in CommonOptions.model_fields}
        for key, info in fields.items():
            if key in CommonOptions.model_fields and key not in raw and not info.is_required():
                common[key] = info.get_default(call_default_factory=True)  # the type's own default wins
        try:
            model.model_validate(own)
        except ValidationError as error:
            if self._refused(item, error, found, templated=True):
                return None
        try:
            return ActionSpec(CommonOptions.model_validate(common), own, item.place())
        except ValidationError as error:
            self._refused(item, error, found)
            return None

    def _refused(
        self, item: Item, error: ValidationError, found: list[Problem], *, templated: bool = False
    ) -> bool:
        """Add what a model says of an item beyond what the schema `found`; False when it says nothing that counts.

        With `templated`, a value that has a template in it is not judged: it is not complete before it is rendered.
        """
        findings = [
            each
            for each in of_model(error, item.subject, own_only=bool(found))
            if not (templated and each.path and _is_template(_at(item.data, each.path)))
        ]
        said = {each.path for each in found}
        problems = [item.problem(each.path, each.code, each.message) for each in findings]
        self.problems += [each for each in problems if each.path not in said]
        return bool(findings)


def _at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path, or the nearest one above it."""
    for step in path:
        inside = (
            step in data if isinstance(data, dict) else isinstance(data, list) and step in range(len(data))
        )
        if not inside:
            break
        data = data[step]
    return data


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and any(mark in value for mark in _TEMPLATE_MARKS)
