"""Says quickly of most valid data that it is valid, so that jsonschema is only asked about the rest.

A predicate made here never accepts what the schema refuses; it may refuse what the schema accepts (a keyword that
it does not know makes it refuse everything). The verdict and every message are jsonschema's alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Predicate = Callable[[Any], bool]
Schema = Mapping[str, Any]

_CLASSES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "$schema", "$defs", "$comment", "format"}
)
_OBJECT: Final = ("properties", "patternProperties", "additionalProperties")


def fast_path(schema: Schema) -> Predicate:
    """A predicate that is true only of data that the schema accepts."""
    return _Compiler(schema).compile(schema)


class _Compiler:
    """Compiles a schema; references are looked up in the root's `$defs`, and may be recursive."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._references: dict[str, Predicate] = {}

    def compile(self, schema: Any) -> Predicate:
        if schema is True or schema == {}:
            return _always
        if not isinstance(schema, Mapping):
            return _never
        checks: list[Predicate] = []
        if any(key in schema for key in _OBJECT):
            checks.append(self._object(schema))
        for key, value in schema.items():
            if key in _ANNOTATIONS or key in _OBJECT or key.startswith("x-"):
                continue
            checks.append(self._keyword(key, value))
        return checks[0] if len(checks) == 1 else lambda data: all(check(data) for check in checks)

    def _keyword(self, key: str, value: Any) -> Predicate:
        if key == "items":
            each = self.compile(value)
            return lambda data: data.__class__ is not list or all(map(each, data))
        if key == "$ref":
            return self._reference(value)
        if key == "allOf":
            parts = [self.compile(part) for part in value]
            return lambda data: all(part(data) for part in parts)
        if key == "anyOf":
            parts = [self.compile(part) for part in value]
            return lambda data: any(part(data) for part in parts)
        make = _KEYWORDS.get(key)
        return make(value) if make is not None else _never

    def _reference(self, name: str) -> Predicate:
        if name not in self._references:
            self._references[name] = _never  # so that a definition may refer to itself
            self._references[name] = self.compile(
                self._root.get("$defs", {}).get(name.removeprefix("#/$defs/"))
            )
        found = self._references

        def refer(data: Any) -> bool:
            return found[name](data)  # looked up late: it may still be in the making

        return refer

    def _object(self, schema: Schema) -> Predicate:
        known = {name: self.compile(part) for name, part in schema.get("properties", {}).items()}
        patterns = [
            (re.compile(pattern).search, self.compile(part))
            for pattern, part in schema.get("patternProperties", {}).items()
        ]
        rest = self.compile(schema.get("additionalProperties", True))

        def check(data: Any) -> bool:
            if data.__class__ is not dict:
                return True
            for name, value in data.items():
                fitting = [part for search, part in patterns if search(name)]
                own = known.get(name)
                if own is not None:
                    fitting.append(own)
                for part in fitting or (rest,):
                    if not part(value):
                        return False
            return True

        return check


def _always(_: Any) -> bool:
    return True


def _never(_: Any) -> bool:
    return False


def _type(value: Any) -> Predicate:
    names = value if isinstance(value, list) else [value]
    classes = frozenset(each for name in names for each in _CLASSES[name])
    return lambda data: data.__class__ in classes


def _enum(values: Any) -> Predicate:
    texts = frozenset(value for value in values if isinstance(value, str))
    return lambda data: data.__class__ is str and data in texts


def _const(value: Any) -> Predicate:
    if not isinstance(value, (str, int)):
        return _never
    return lambda data: data.__class__ is value.__class__ and bool(data == value)


def _pattern(value: Any) -> Predicate:
    search = re.compile(value).search
    return lambda data: data.__class__ is not str or search(data) is not None


def _bound(classes: tuple[type, ...], holds: Callable[[Any, Any], bool]) -> Callable[[Any], Predicate]:
    def make(bound: Any) -> Predicate:
        return lambda data: data.__class__ not in classes or holds(data, bound)

    return make


def _required(names: Any) -> Predicate:
    return lambda data: data.__class__ is not dict or all(name in data for name in names)


_NUMBERS: Final = (int, float)
_KEYWORDS: Final[dict[str, Callable[[Any], Predicate]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "required": _required,
    "minimum": _bound(_NUMBERS, lambda data, bound: data >= bound),
    "maximum": _bound(_NUMBERS, lambda data, bound: data <= bound),
    "exclusiveMinimum": _bound(_NUMBERS, lambda data, bound: data > bound),
    "exclusiveMaximum": _bound(_NUMBERS, lambda data, bound: data < bound),
    "minLength": _bound((str,), lambda data, bound: len(data) >= bound),
    "maxLength": _bound((str,), lambda data, bound: len(data) <= bound),
    "minItems": _bound((list,), lambda data, bound: len(data) >= bound),
    "maxItems": _bound((list,), lambda data, bound: len(data) <= bound),
    "minProperties": _bound((dict,), lambda data, bound: len(data) >= bound),
    "maxProperties": _bound((dict,), lambda data, bound: len(data) <= bound),
}
