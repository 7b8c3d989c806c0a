"""One version of the configuration, ready to run. A message keeps the ruleset that it started with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from automation_consumer.conditions.condition_set import ConditionSet
from automation_consumer.config.settings import ActionSpec, Condition, ConditionSpec, Config, Kafka, TopLevel
from automation_consumer.config.templates import Expression, Template, TemplateTree, compile_tree
from automation_consumer.errors import PluginError
from automation_consumer.plugin.action import Action
from automation_consumer.plugin.params import Escaping
from automation_consumer.plugin.registry import Registry


class PreparedAction:
    """An action of the config with its type. Its templates are compiled when it first runs."""

    def __init__(self, spec: ActionSpec, action: Action[Any]) -> None:
        self.spec = spec
        self.action = action

    @cached_property
    def params(self) -> TemplateTree:
        return compile_tree(self.spec.params, self.action.Params.escaping)

    @cached_property
    def when(self) -> Expression | None:
        return None if self.spec.common.when is None else Expression.compile(self.spec.common.when)

    @cached_property
    def lock(self) -> Template | None:
        return None if self.spec.common.lock is None else Template.compile(self.spec.common.lock)

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        """Values that the action itself names (`extra_parameters: {source: automation}`), for its templates."""
        found: dict[str, Any] = {}
        for name, value in self.spec.params.items():
            if name.endswith("_parameters") and isinstance(value, dict):
                found.update(
                    (key, item) for key, item in value.items() if not isinstance(item, str) or "{" not in item
                )
        return found


@dataclass(frozen=True)
class Ruleset:
    """A valid configuration with its conditions compiled and its action types at hand."""

    config: Config
    conditions: ConditionSet
    registry: Registry
    _actions: dict[str, PreparedAction] = field(default_factory=dict)

    def action(self, name: str) -> PreparedAction:
        """PluginError when the config has no action of that name."""
        found = self._actions.get(name)
        if found is None:
            spec = self.config.actions.get(name)
            if spec is None:
                raise PluginError(f"no action {name!r} in this configuration")
            found = self._actions[name] = PreparedAction(spec, self.registry.get(spec.type))
        return found

    def with_kafka(self, kafka: Kafka) -> Ruleset:
        """The same rules with the Kafka section that is really used (embedded broker, dry run)."""
        settings = self.config.settings.model_copy(update={"kafka": kafka})
        return Ruleset(replace(self.config, settings=settings), self.conditions, self.registry)

    @cached_property
    def _specs(self) -> dict[str, ConditionSpec]:
        return {spec.name: spec for spec in self.config.conditions}

    def condition(self, name: str) -> Condition:
        return self._specs[name].condition

    def has_condition(self, name: str) -> bool:
        return name in self._specs

    def rule(self, name: str) -> str:
        """Where the condition stands: `file:line`."""
        return str(self._specs[name].place)

    def connections(self, secret: Callable[[str], str]) -> Connections:
        return Connections(self.config.settings, secret)


class Connections(Mapping[str, Mapping[str, Any]]):
    """The named connections; a connection's secrets are resolved when it is asked for. `kafka` is always there."""

    def __init__(self, settings: TopLevel, secret: Callable[[str], str]) -> None:
        self._named: dict[str, Any] = dict(settings.connections)
        if settings.kafka is not None:
            self._named.setdefault("kafka", settings.kafka.client_settings())
        self._secret = secret

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return resolve(self._named[name], self._secret)

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


def resolve(settings: Mapping[str, Any], secret: Callable[[str], str]) -> Mapping[str, Any]:
    """Settings with every `$secret:NAME` replaced by its value. SecretError when one is not there."""
    resolved: Mapping[str, Any] = compile_tree(dict(settings), lambda _: Escaping.NONE).render({}, secret)
    return resolved
