"""`explain`: why an incident did or did not match, and what would run with which parameters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from automation_consumer.cli.options import (
    ConfigOption,
    Output,
    OutputOption,
    checked,
    config_path,
    print_json,
    visible,
)
from automation_consumer.errors import UsageError
from automation_consumer.service.explanation import explain_message

MARKS = {True: ("✓", "green"), False: ("✗", "red")}


def explain(
    incident: Annotated[
        Path, typer.Argument(metavar="INCIDENT.json", help="A message as it comes from Kafka; - is stdin.")
    ],
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """For every condition and clause: expected, actual, result. For what matched: the gate, and what would run."""
    ruleset = checked(config_path(config)).need()
    try:
        value = sys.stdin.buffer.read() if str(incident) == "-" else incident.read_bytes()
    except OSError as error:
        raise UsageError(f"{incident} cannot be read: {error.strerror}") from error
    documents = explain_message(ruleset, value)
    if output is Output.JSON:
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    console = Console(highlight=False, soft_wrap=True)
    for document in documents:
        _show(console, document)


def _show(console: Console, document: dict[str, Any]) -> None:
    incident = document["incident"]
    console.print(
        Text(
            f"incident {visible(incident['id'])}: {visible(str(incident['status']))}, {incident['alert_count']} alerts",
            "bold",
        )
    )
    for condition in document["conditions"]:
        _condition(console, condition)
    if not document["runs"]:
        console.print(Text("nothing would run"))
        return
    console.print(Text("what would run, if nothing has run yet:", "bold"))
    for run in document["runs"]:
        _run(console, run)


def _condition(console: Console, condition: dict[str, Any]) -> None:
    mark, style = MARKS[condition["matched"]]
    console.print(
        Text.assemble(
            (f"{mark} ", style),
            (condition["condition"], "bold"),
            f"  ({condition['rule']})  {condition['reason']}",
        )
    )
    _clauses(console, condition["clauses"], 2)
    for alert in condition["alerts"]:
        if alert["clauses"]:
            mark, style = MARKS[alert["result"]]
            console.print(Text.assemble("  ", (f"{mark} ", style), f"alert {visible(alert['alert'])}"))
            _clauses(console, alert["clauses"], 4)


def _clauses(console: Console, clauses: list[dict[str, Any]], indent: int) -> None:
    for clause in clauses:
        mark, style = MARKS[clause["result"]]
        words = clause["path"]
        if not clause["clauses"]:
            actual = "absent" if clause["actual"] is None else repr(clause["actual"])
            words = f"{clause['path']} {clause['operator']} {clause['expected']!r}: it is {actual}"
        console.print(Text.assemble(" " * indent, (f"{mark} ", style), words))
        _clauses(console, clause["clauses"], indent + 2)


def _run(console: Console, run: dict[str, Any]) -> None:
    about = f"alert {visible(run['alert'])}" if run["alert"] else "the incident"
    console.print(Text(f"  {run['phase']}: {run['action']} ({run['type']}) for {about}"))
    if run["error"]:
        console.print(Text(f"      cannot be rendered: {visible(run['error'])}", "red"))
    for name, value in (run["parameters"] or {}).items():
        console.print(Text(f"      {name}: {value!r}"))
    for verdict in run["gate"]:
        if verdict["decision"] != "allow":
            console.print(
                Text(
                    f"      {verdict['check']}: {verdict['decision']}: {visible(verdict['reason'])}", "yellow"
                )
            )
