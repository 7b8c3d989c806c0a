"""The JSON Schema (draft 2020-12) of the configuration, from the installed action types. The editor, `validate` and
the running service apply the same one."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from automation_consumer.config import match_schema
from automation_consumer.config.schema_form import Schema, readable
from automation_consumer.config.settings import CommonOptions, Condition, TopLevel
from automation_consumer.errors import PluginError
from automation_consumer.plugin.registry import Registry, description, summary

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def full_schema(registry: Registry) -> Schema:
    """The schema of a whole file. PluginError when an installed action type cannot be loaded."""
    definitions: dict[str, Schema] = {}
    kinds: list[Schema] = []
    for type_name in registry.types():
        own = action_schema(registry, type_name)
        definitions |= own.pop("$defs", {})
        own.pop("$schema")
        definitions[f"action.{type_name}"] = own
        kinds.append(
            {
                "if": {"properties": {"type": {"const": type_name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/action.{type_name}"},
            }
        )
    condition = condition_schema()
    definitions |= condition.pop("$defs")
    condition.pop("$schema")
    schema = sections_schema()
    schema["properties"]["actions"]["items"] = {"$ref": "#/$defs/action"}
    schema["properties"]["incident_conditions"]["items"] = {"$ref": "#/$defs/condition"}
    action = action_base_schema(registry)
    action.pop("$schema")
    schema["$defs"] = {"action": {**action, "allOf": kinds}, "condition": condition, **definitions}
    return schema


def sections_schema() -> Schema:
    """The schema of a file's top level; its actions and conditions are only said to be lists."""
    schema = _model_schema(TopLevel, "config")
    schema.pop("$defs", None)
    for name in ("actions", "incident_conditions"):
        schema["properties"][name].pop("items")
    schema["properties"]["kafka"]["additionalProperties"] = {"type": ["string", "number", "boolean"]}
    return {
        "$schema": DIALECT,
        "title": "automation-consumer configuration",
        **schema,
        "patternProperties": {"^x-": {"description": "Ignored: a place for YAML anchors."}},
    }


def action_base_schema(registry: Registry) -> Schema:
    """The schema of what an action of any type must have."""
    properties = _model_schema(CommonOptions, "action")["properties"]
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "name": properties["name"],
            "type": {**properties["type"], "enum": registry.types()},
        },
        "required": ["name", "type"],
    }


def action_schema(registry: Registry, type_name: str) -> Schema:
    """The schema of one action type: the common options and its own fields. PluginError when it cannot be loaded."""
    action = registry.get(type_name)
    common = _model_schema(CommonOptions, "action")
    own = _model_schema(action.Params, type_name)
    schema: Schema = {
        "$schema": DIALECT,
        "title": type_name,
        "description": "\n\n".join(part for part in (summary(action), description(action)) if part),
        "type": "object",
        "properties": {
            **common["properties"],
            **own.get("properties", {}),
            "type": {**common["properties"]["type"], "const": type_name},
        },
        "required": [*common["required"], *own.get("required", [])],
        "additionalProperties": False,
    }
    definitions = {**common.get("$defs", {}), **own.get("$defs", {})}
    return {**schema, "$defs": definitions} if definitions else schema


def condition_schema() -> Schema:
    """The schema of one condition."""
    schema = _model_schema(Condition, "condition")
    for name, tree in (("match", "incident_tree"), ("alerts", "alert_tree")):
        said = schema["properties"][name]["description"]
        schema["properties"][name] = {"$ref": f"#/$defs/{tree}", "description": said, "default": {}}
    return {"$schema": DIALECT, **schema, "$defs": match_schema.definitions()}


def _model_schema(model: type[BaseModel], prefix: str) -> Schema:
    """A model's schema in readable form; definitions are called `prefix.Name`, so that two types never share one."""
    try:
        schema = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{prefix}.{{model}}")
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError) as error:
        raise PluginError(f"{prefix}: no JSON Schema can be made of {model.__qualname__}: {error}") from error
    definitions = schema.pop("$defs", {})
    if definitions:
        schema["$defs"] = {f"{prefix}.{name}": part for name, part in definitions.items()}
    formed = readable(schema)
    _add_defaults(model, formed.get("properties", {}))
    return formed


def _add_defaults(model: type[BaseModel], properties: dict[str, Any]) -> None:
    """pydantic leaves out the defaults that a function makes (empty lists and mappings)."""
    for name, info in model.model_fields.items():
        shown = properties.get(info.alias or name)
        if shown is not None and info.default_factory in (list, dict):
            shown.setdefault("default", [] if info.default_factory is list else {})
