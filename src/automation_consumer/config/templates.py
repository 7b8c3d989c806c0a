"""Templates in the parameters of actions: the parts that other rooms use, and the check of a whole configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from automation_consumer.config.problems import Problem, Severity, problem
from automation_consumer.config.settings import ActionSpec, Config, Place
from automation_consumer.config.suggest import did_you_mean
from automation_consumer.config.template import Expression, Template
from automation_consumer.config.template_tree import Path, TemplateTree, compile_tree, texts_in
from automation_consumer.errors import PluginError, TemplateError
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS
from automation_consumer.plugin.params import Escaping
from automation_consumer.plugin.registry import Registry

__all__ = ["Expression", "Template", "TemplateTree", "check_templates", "compile_tree"]

Where: TypeAlias = Callable[[Path], Place]

RESERVED = frozenset({"alert", "incident", "alerts", "tags", "vars", "run"})
"""Names that every scope has."""

_FIELDS = frozenset({*INCIDENT_FIELDS, *ALERT_FIELDS}) | RESERVED
_TAG = "tags."


class Code(StrEnum):
    """What kind of problem a template has. The values are stable."""

    TEMPLATE_SYNTAX = "template-syntax"  # it does not parse, or does what no template may
    UNKNOWN_TEMPLATE_NAME = "unknown-template-name"  # a name that stands nowhere else in the configuration


def check_templates(config: Config, registry: Registry, where: Where | None = None) -> list[Problem]:
    """Every problem of the templates in the actions' parameters, `when` and `lock`.

    An unknown name is a warning: any tag may come. Without `where` a problem is placed at its action.
    """
    found: list[Problem] = []
    known = _FIELDS | set(_tags(config))
    for number, spec in enumerate(config.actions.values()):
        names = known | set(_declared(spec.params))
        for path, compiled in _templates(spec, registry):
            full = ("actions", number, *path)
            place = where(full) if where else spec.place
            if isinstance(compiled, TemplateError):
                message = f"action {spec.name!r}: the template is wrong: {compiled}"
                found.append(problem(place, Code.TEMPLATE_SYNTAX, message, path=full))
                continue
            for name in sorted(compiled - names):
                message = f"action {spec.name!r}: {name!r} stands nowhere else in the configuration"
                message += (
                    did_you_mean(name, names) or "; if it is a tag of alerts, list it in alert_tag_parameters"
                )
                found.append(
                    problem(place, Code.UNKNOWN_TEMPLATE_NAME, message, path=full, severity=Severity.WARNING)
                )
    return found


def _templates(spec: ActionSpec, registry: Registry) -> Iterator[tuple[Path, frozenset[str] | TemplateError]]:
    """Every text of an action that is a template: its path, and the names in it or what is wrong with it."""
    escaping_of = _escaping_of(spec, registry)
    for path, text in texts_in(spec.params):
        yield path, _names(Template.compile, text, escaping_of(str(path[0])))
    if spec.common.when is not None:
        yield ("when",), _names(Expression.compile, spec.common.when)
    if spec.common.lock is not None:
        yield ("lock",), _names(Template.compile, spec.common.lock)


def _escaping_of(spec: ActionSpec, registry: Registry) -> Callable[[str], Escaping]:
    """The escaping of an action's fields; none for a type that cannot be loaded (the loader reports that)."""
    try:
        escaping_of: Callable[[str], Escaping] = registry.get(spec.type).Params.escaping
    except PluginError:
        return lambda field: Escaping.NONE
    return escaping_of


def _names(compile_text: Callable[..., Template | Expression], *args: Any) -> frozenset[str] | TemplateError:
    try:
        return compile_text(*args).names
    except TemplateError as error:
        return error


def _declared(params: Mapping[str, Any], suffix: str = "_parameters") -> Iterator[str]:
    """The names that an action declares in its fields of that suffix."""
    for field, value in params.items():
        if field.endswith(suffix) and isinstance(value, (list, tuple, Mapping)):
            yield from (name for name in value if isinstance(name, str))


def _tags(config: Config) -> Iterator[str]:
    """The tags that the configuration speaks of."""
    for spec in config.conditions:
        yield from _tags_in(spec.condition.match)
        yield from _tags_in(spec.condition.alerts)
    for action in config.actions.values():
        yield from _declared(action.params, "_tag_parameters")


def _tags_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if isinstance(key, str) and key.startswith(_TAG):
                yield key.removeprefix(_TAG)
            elif key in ("any", "all", "not"):
                yield from _tags_in(value)
    elif isinstance(tree, (list, tuple)):
        for each in tree:
            yield from _tags_in(each)
