"""`actions`: the installed action types, and one type's documentation."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from automation_consumer.cli.options import Output, OutputOption, print_json
from automation_consumer.config.schema import action_schema
from automation_consumer.config.suggest import did_you_mean
from automation_consumer.errors import UsageError
from automation_consumer.plugin.action import Action, RemoteJob
from automation_consumer.plugin.registry import Registry, description, example, summary


def actions(
    action_type: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="One type's docs, fields, example.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """The installed action types; with TYPE: its documentation."""
    registry = Registry.installed()
    if action_type is None:
        _list(registry, output)
        return
    if action_type not in registry:
        raise UsageError(f"no action type {action_type!r}{did_you_mean(action_type, registry.types())}")
    _one(registry, registry.get(action_type), output)


def facts(action: Action[Any]) -> dict[str, Any]:
    """What there is to say of a type in a line."""
    return {
        "type": action.type,
        "summary": summary(action),
        "effect": action.effect,
        "scope": action.scope,
        "remote_job": isinstance(action, RemoteJob),
    }


def _list(registry: Registry, output: Output) -> None:
    listed = [facts(action) for action in registry]
    if output is Output.JSON:
        print_json(listed)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("type", "effect", "scope", "what it does"):
        table.add_column(column)
    for each in listed:
        table.add_row(each["type"], each["effect"], each["scope"], each["summary"])
    Console(highlight=False).print(table)


def _one(registry: Registry, action: Action[Any], output: Output) -> None:
    fields = field_facts(registry, action)
    if output is Output.JSON:
        print_json(
            {
                **facts(action),
                "description": description(action),
                "fields": fields,
                "example": example(action),
            }
        )
        return
    sys.stdout.write(f"{action.type}: {summary(action)}\n\n")
    if description(action):
        sys.stdout.write(description(action) + "\n\n")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("field", "default", "what it is"):
        table.add_column(column)
    for each in fields:
        default = "required" if each["required"] else "" if each["default"] is None else str(each["default"])
        table.add_row(each["name"], default, each["description"])
    Console(highlight=False, markup=False).print(table)
    sys.stdout.write(f"\nExample:\n\n{example(action)}")


def field_facts(registry: Registry, action: Action[Any]) -> list[dict[str, Any]]:
    """The type's own fields, then the common ones, each with its default and description."""
    whole = action_schema(registry, action.type)
    own = set(action.Params.model_fields)
    listed = [
        {
            "name": name,
            "own": name in own,
            "required": name in whole.get("required", ()),
            "default": field.get("default"),
            "description": field.get("description", ""),
        }
        for name, field in whole["properties"].items()
    ]
    return sorted(listed, key=lambda each: (not each["own"], not each["required"]))
