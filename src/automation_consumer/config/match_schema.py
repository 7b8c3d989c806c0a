"""The JSON Schema of `match` and `alerts`: fields, operators, and their nesting by `all`, `any` and `not`."""

from __future__ import annotations

from typing import Any, Final

from automation_consumer.config.schema_form import Schema
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS

TAG_PATTERN: Final = r"^tags\..+"
_SCALAR: Final = ["string", "number", "boolean"]
_SCALARS: Final[Schema] = {"type": "array", "items": {"type": _SCALAR}, "minItems": 1}
_ORDERED: Final[Schema] = {"type": ["number", "string"]}
_TEXT: Final[Schema] = {"type": "string"}
_DURATION: Final[Schema] = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$",
    "x-kind": "duration",
}

OPERATORS: Final[dict[str, Schema]] = {
    "equals": {"type": _SCALAR, "description": "Is this value."},
    "not_equals": {"type": _SCALAR, "description": "Is not this value, or is absent."},
    "in": {**_SCALARS, "description": "Is one of these values."},
    "not_in": {**_SCALARS, "description": "Is none of these values, or is absent."},
    "regex": {**_TEXT, "description": "A regular expression (RE2) that is found anywhere in the text."},
    "glob": {**_TEXT, "description": "A pattern with * and ? that fits the whole text."},
    "contains": {**_TEXT, "description": "Has this text in it."},
    "starts_with": {**_TEXT, "description": "Begins with this text."},
    "ends_with": {**_TEXT, "description": "Ends with this text."},
    "gt": {**_ORDERED, "description": "Is greater: a number, or an ISO 8601 time."},
    "gte": {**_ORDERED, "description": "Is greater or the same."},
    "lt": {**_ORDERED, "description": "Is less."},
    "lte": {**_ORDERED, "description": "Is less or the same."},
    "exists": {"type": "boolean", "description": "true: is there; false: is absent."},
    "older_than": {**_DURATION, "description": "The time is longer ago than this."},
    "younger_than": {**_DURATION, "description": "The time is less long ago than this."},
}


def definitions() -> dict[str, Schema]:
    """The definitions `clause`, `incident_tree` and `alert_tree`, which refer to each other."""
    return {
        "clause": {
            "description": "A value (equals), a list of values (in), or operators that must all hold.",
            "type": [*_SCALAR, "array", "object"],
            "items": {"type": _SCALAR},
            "minItems": 1,
            "properties": OPERATORS,
            "additionalProperties": False,
            "minProperties": 1,
            "x-key": "operator",
            "x-kind": "clause",
        },
        "incident_tree": _tree("incident_tree", INCIDENT_FIELDS, "the incident"),
        "alert_tree": _tree("alert_tree", ALERT_FIELDS, "an alert"),
    }


def _tree(name: str, fields: tuple[str, ...], what: str) -> Schema:
    tree: Schema = {"$ref": f"#/$defs/{name}"}
    clause: Schema = {"$ref": "#/$defs/clause"}
    nested: dict[str, Any] = {
        "all": {"type": "array", "items": tree, "minItems": 1, "description": "All of these must hold."},
        "any": {
            "type": "array",
            "items": tree,
            "minItems": 1,
            "description": "At least one of these must hold.",
        },
        "not": {**tree, "description": "This must not hold."},
    }
    return {
        "description": f"Clauses on {what}; all must hold. Tags are written tags.NAME.",
        "type": "object",
        "properties": {**dict.fromkeys(fields, clause), **nested},
        "patternProperties": {TAG_PATTERN: clause},
        "additionalProperties": False,
        "x-key": "field",
    }
