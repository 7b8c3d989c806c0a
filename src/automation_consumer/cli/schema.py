"""`schema`: the JSON Schema that editors, `validate` and the service apply."""

from __future__ import annotations

from typing import Annotated

import typer

from automation_consumer.cli.options import print_json
from automation_consumer.config.schema import action_schema, full_schema
from automation_consumer.plugin.registry import Registry


def schema(
    action_type: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="Only this action type.")
    ] = None,
) -> None:
    """JSON Schema (draft 2020-12) of the whole config, or of one action type, plugins included."""
    registry = Registry.installed()
    print_json(full_schema(registry) if action_type is None else action_schema(registry, action_type))
