"""The page of all keys of the configuration, from the JSON Schema."""

from __future__ import annotations

import json
from typing import Any, Final

from automation_consumer.actions.change.screwdriver_connection import ScrewdriverConnection
from automation_consumer.cli.reference.fields import fields_table
from automation_consumer.cli.reference.markdown import code, page, table
from automation_consumer.config.match_schema import OPERATORS
from automation_consumer.config.schema import full_schema
from automation_consumer.config.schema_form import readable
from automation_consumer.config.settings import CommonOptions
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS
from automation_consumer.plugin.registry import Registry

_INTRO: Final = """
Every key, what may stand there and what it means. How to write a configuration (files and folders, variables,
secrets, connections) is told in [writing a configuration](writing-config.md); the fields of each action type stand
in [actions](actions.md). An editor that knows `yaml-language-server` completes and checks all of this by
[config.schema.json](config.schema.json).

A *duration* is `500ms`, `30s`, `5m`, `1h`, `2d` or a plain number of seconds. Unknown keys are refused, except at the
top level those that begin with `x-`, which are a place for YAML anchors.
"""
_KAFKA: Final = """
Every key that is not in this table is handed to librdkafka under its own name (`security.protocol`, `sasl.username`,
`ssl.ca.location` …); a `$secret:NAME` may stand in its value. The settings that decide what is committed
(`enable.auto.commit`, `enable.auto.offset.store`, `auto.offset.reset`, `enable.partition.eof`) cannot be set.
"""
_MATCH: Final = """
`match` and `alerts` are mappings of a field to a clause; all of them must hold. A clause is a value (`equals`), a
list of values (`in`), or a mapping of operators that must all hold. `all` and `any` take a list of such mappings, `not`
takes one. [The match language](match.md) says exactly what each operator does.
"""


def configuration(registry: Registry) -> str:
    """The page."""
    schema = full_schema(registry)
    sections = schema["properties"]
    condition = schema["$defs"]["condition"]
    common: dict[str, Any] = readable(CommonOptions.model_json_schema(by_alias=True))
    return page(
        "Configuration reference",
        _INTRO,
        "## Top level",
        fields_table(schema),
        "## `kafka`",
        fields_table(sections["kafka"]),
        _KAFKA,
        *_sections(sections, ("secrets", "limits", "service")),
        "## `connections`",
        "Named endpoints. An action uses the one that its `connection` names, else the one named after its system; "
        "what the action says itself (`auth_secret`) wins. `kafka` is always there: the service's own.",
        "### `connections.screwdriver`",
        fields_table(readable(ScrewdriverConnection.model_json_schema())),
        "## `actions`: what every action takes",
        fields_table(common),
        "## `incident_conditions`",
        fields_table(condition),
        "## `match` and `alerts`",
        _MATCH,
        f"Fields of an incident: {_names(INCIDENT_FIELDS)}.",
        f"Fields of an alert: {_names(ALERT_FIELDS)}.",
        table(
            ("operator", "holds when the value …"),
            ((code(name), operator["description"]) for name, operator in OPERATORS.items()),
        ),
    )


def schema_file(registry: Registry) -> str:
    """The JSON Schema for editors."""
    return json.dumps(full_schema(registry), indent=2, ensure_ascii=False) + "\n"


def _sections(sections: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    parts = []
    for name in names:
        parts += [f"## `{name}`", sections[name]["description"], fields_table(sections[name])]
    return parts


def _names(fields: tuple[str, ...]) -> str:
    return ", ".join(map(code, (*fields, "tags.NAME")))
