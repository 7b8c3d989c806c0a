"""The fields of a schema as rows of a table: name, what may stand there, default, meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from automation_consumer.cli.reference.markdown import code, table

_WORDS: Final = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "nothing",
}
_KINDS: Final = {"duration": "duration", "secret": "name of a secret"}


def fields_table(schema: Mapping[str, Any], names: Iterable[str] | None = None) -> str:
    """The table of an object's fields: those of `names`, by default all, the ones that are required first."""
    properties: Mapping[str, Any] = schema["properties"]
    required = set(schema.get("required", ()))
    listed = sorted(properties if names is None else names, key=lambda name: name not in required)
    rows = [
        (
            code(name),
            kind(properties[name]),
            "**required**" if name in required else default(properties[name]),
            properties[name].get("description", ""),
        )
        for name in listed
    ]
    return table(("field", "what", "default", "meaning"), rows)


def kind(schema: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    special = schema.get("x-kind")
    if "const" in schema:
        return code(json.dumps(schema["const"]).strip('"'))
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    if special in _KINDS:
        return _KINDS[special]
    if "$ref" in schema:
        return "clauses"
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if choices and "type" not in schema:
        return " or ".join(map(kind, choices))
    types = schema.get("type", "object")
    names = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    return " or ".join(_named(name, schema) for name in names) + _bounds(schema)


def default(schema: Mapping[str, Any]) -> str:
    """The default as one writes it in YAML; empty when there is none."""
    value = schema.get("default")
    if value is None or value == "":
        return ""
    if schema.get("x-kind") == "duration":
        return code(_duration(value))
    if isinstance(value, dict) and value:
        return "see below"
    return code(value if isinstance(value, str) else json.dumps(value))


def _duration(seconds: float) -> str:
    """As somebody would write it."""
    for unit, length in (("d", 86_400), ("h", 3_600)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _named(name: str, schema: Mapping[str, Any]) -> str:
    items = schema.get("items")
    if name == "array" and isinstance(items, Mapping) and isinstance(items.get("type"), str):
        return f"list of {_WORDS[items['type']]}s".replace("true or falses", "booleans")
    return _WORDS[name]


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {least} to {most}"
    if least is not None:
        return f", at least {least}"
    return "" if most is None else f", at most {most}"
