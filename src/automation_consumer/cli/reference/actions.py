"""The page of all action types that come with the package, from the registry."""

from __future__ import annotations

from typing import Any, Final

import yaml

from automation_consumer.cli.reference.fields import fields_table
from automation_consumer.cli.reference.markdown import block, code, page, table
from automation_consumer.config.schema import action_schema
from automation_consumer.config.settings import CommonOptions
from automation_consumer.plugin.action import Action, RemoteJob, Scope, ShortAction
from automation_consumer.plugin.registry import Registry, description, example, summary

_INTRO: Final = """
An action is defined once under `actions:` and used by its name in the lists of conditions. Besides the fields here,
every action takes the [common ones](configuration.md#actions-what-every-action-takes): `timeout`, `retry_count`, `when`,
`lock`, `cooldown`, `on_unknown` and so on. Texts may be [templates](templates.md).

The column *after a crash* says what becomes of a run that a crash (or `kill -9`) cut off:

- **followed**: a remote job. It carries the run's key, so it is looked up and followed; it is never started twice. Where
  the system cannot be asked, the run ends `unknown`.
- **repeated**: doing it twice does no harm, so it is done again.
- **unknown**: nobody can tell whether it took effect. The run ends `unknown`, and `on_unknown` decides.

What else is installed is shown by `automation-consumer actions`, plugins included.
"""
_LISTS: Final = {
    Scope.ALERT: "`alert_actions`",
    Scope.INCIDENT: "`checks`, `incident_actions`, `on_success`, `on_failure`",
    Scope.ANY: "every list",
}


def actions(registry: Registry) -> str:
    """The page."""
    found = list(registry)
    overview = table(
        ("type", "what it does", "effect", "after a crash"),
        ((f"[`{each.type}`](#{each.type})", summary(each), each.effect.value, crash(each)) for each in found),
    )
    return page("Actions", _INTRO, overview, *(part for each in found for part in _section(registry, each)))


def crash(action: Action[Any]) -> str:
    """What becomes of a run that a crash cut off, in one word; for a short action that of its example."""
    if isinstance(action, RemoteJob):
        return "followed"
    assert isinstance(action, ShortAction)
    return "repeated" if action.repeatable(example_params(action)) else "unknown"


def example_params(action: Action[Any]) -> Any:
    """The parameters of the type's example, not rendered."""
    written: dict[str, Any] = yaml.safe_load(example(action))
    return action.Params(
        **{name: value for name, value in written.items() if name not in CommonOptions.model_fields}
    )


def _section(registry: Registry, action: Action[Any]) -> list[str]:
    facts = [
        f"May stand in: {_LISTS[action.scope]}.",
        f"Effect: {action.effect.value}.",
        f"After a crash: {crash(action)}{'' if isinstance(action, RemoteJob) else ' (as in the example)'}.",
    ]
    if action.connection is not None:
        facts.append(f"Connection: {code(action.connection)}.")
    return [
        f"## {action.type}",
        summary(action),
        description(action),
        " ".join(facts),
        fields_table(action_schema(registry, action.type), action.Params.model_fields),
        block("yaml", example(action)),
    ]
