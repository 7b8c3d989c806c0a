"""The command `new-action`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from automation_consumer.cli.new_action.package import PluginNames, write
from automation_consumer.errors import UsageError
from automation_consumer.plugin.registry import Registry


def new_action(
    name: Annotated[str, typer.Argument(help="The new action type, in snake_case: restart_service.")],
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Where to put it. Default: ./automation-consumer-NAME."),
    ] = None,
) -> None:
    """Make a plugin package for a new action type: code, test and docs to start from."""
    names = PluginNames.of(name)
    if name in Registry.installed():
        raise UsageError(f"an action type {name!r} is installed already", hint="choose another name")
    folder = directory or Path(names.distribution)
    write(names, folder)
    install, tests = shlex.quote(f"{folder}[test]"), shlex.quote(str(folder))
    print(f"1. Write what it does: {folder / names.module_path}")
    print(f"2. Install and test it: pip install -e {install} && pytest {tests}")
    print(f"3. Look at it, then use it in your YAML: automation-consumer actions {name}")
