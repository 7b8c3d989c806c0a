"""`validate`: every mistake of a config at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from automation_consumer.cli.options import Output, OutputOption, print_json
from automation_consumer.config.problems import Problem, Severity
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders that make up one configuration.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings are errors, and every secret must be there.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a configuration: `file:line:col: error: message` for every mistake, all at once."""
    problems = check(paths, Registry.installed(), os.environ, strict=strict).problems
    failed = any(strict or each.severity is Severity.ERROR for each in problems)
    if output is Output.JSON:
        print_json([each.as_dict() for each in problems])
    else:
        for each in problems:
            print(each)
        print(_summary(problems, paths), file=sys.stderr)
    raise typer.Exit(1 if failed else 0)


def _summary(problems: list[Problem], paths: list[Path]) -> str:
    errors = sum(each.severity is Severity.ERROR for each in problems)
    warnings = len(problems) - errors
    if not problems:
        return f"{', '.join(map(str, paths))}: valid"
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
