"""Turns the schema that pydantic writes into one that is easy to read, in an editor and in an error message.

What is valid stays the same: only `title`s go, references to simple definitions are replaced by what they
refer to, and alternatives that differ by their type (`a number or a text`, `a text or nothing`) become one schema
with a list of types.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

_FAMILY: Final[dict[str, str]] = {
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(
        (
            "properties",
            "patternProperties",
            "additionalProperties",
            "required",
            "propertyNames",
            "minProperties",
        ),
        "object",
    ),
}
"""Keywords that say something about one type only, so that they may stand beside other types."""


def readable(schema: Schema) -> Schema:
    """The same schema, simplified at every level. The definitions that are still referred to stay in `$defs`."""
    definitions = {name: _form(part, {}) for name, part in schema.get("$defs", {}).items()}
    simple = {f"#/$defs/{name}": part for name, part in definitions.items() if not _refers(part)}
    formed = _form({key: part for key, part in schema.items() if key != "$defs"}, simple)
    kept = {
        name: _form(part, simple) for name, part in definitions.items() if f"#/$defs/{name}" not in simple
    }
    return {**formed, "$defs": kept} if kept else dict(formed)


def _refers(part: Any) -> bool:
    if isinstance(part, dict):
        return "$ref" in part or any(_refers(each) for each in part.values())
    return isinstance(part, list) and any(_refers(each) for each in part)


def _form(part: Any, simple: dict[str, Schema]) -> Any:
    if isinstance(part, list):
        return [_form(each, simple) for each in part]
    if not isinstance(part, dict):
        return part
    formed = {
        key: value if key in ("default", "const", "enum", "examples") else _form(value, simple)
        for key, value in part.items()
        if not (key == "title" and isinstance(value, str))
    }
    reference = formed.get("$ref")
    if isinstance(reference, str) and reference in simple:
        formed.pop("$ref")
        formed = {**simple[reference], **formed}
    return _one_schema(formed)


def _one_schema(schema: Schema) -> Schema:
    """Merge the branches of `anyOf` into one schema where each says something about other types than the rest."""
    branches = schema.get("anyOf")
    if not isinstance(branches, list):
        return schema
    merged: Schema = {}
    types: list[str] = []
    for branch in branches:
        own = _types(branch)
        if own is None or set(own) & set(types):
            return schema
        rest = {key: value for key, value in branch.items() if key != "type"}
        if any(key in merged and merged[key] != value for key, value in rest.items()):
            return schema
        types += own
        merged.update(rest)
    if {"number", "integer"} <= set(types):
        if any(_FAMILY.get(key) == "number" for key in merged):
            return schema
        types.remove("integer")
    outer = {key: value for key, value in schema.items() if key != "anyOf"}
    return {"type": types if len(types) > 1 else types[0], **merged, **outer}


def _types(branch: Any) -> list[str] | None:
    """The types that a branch accepts, when all its keywords are about these types; else None."""
    if not isinstance(branch, dict) or "type" not in branch:
        return None
    types = branch["type"] if isinstance(branch["type"], list) else [branch["type"]]
    families = {"number" if name == "integer" else name for name in types}
    for key in branch:
        if key in ("type", "description", "default") or key.startswith("x-"):
            continue
        if _FAMILY.get(key) not in families:
            return None
    return types
