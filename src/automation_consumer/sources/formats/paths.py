"""Fields of a mapping: where a value stands in a document, and what is made of it.

A field is written as a path (`issue.fields.summary`; list positions count from 0: `labels.0`; a list of names where a
name has a dot), or as an object with `path` and at most one of `equals`, `in` and `map`, or as `{value: constant}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from automation_consumer.config.suggest import closest

_ABSENT: Final = object()
_KEYS: Final = ("path", "value", "equals", "in", "map", "default")


@dataclass(frozen=True, slots=True)
class FieldPath:
    """One field, compiled. `keys` lead to the value; without keys the value is always `default`."""

    keys: tuple[str, ...] = ()
    choices: tuple[Any, ...] | None = None  # equals and in: whether the value is one of these
    table: dict[str, Any] | None = None  # map: from the value's text to another value
    default: Any = None

    def find(self, document: Any) -> Any:
        """The field's value in `document`; None where there is none."""
        value = follow(document, self.keys) if self.keys else None
        if self.choices is not None:
            return any(_same(value, choice) for choice in self.choices)
        if value is None:
            return self.default
        if self.table is not None:
            fallback = value if self.default is None else self.default
            return self.table.get(scalar_text(value) or "", fallback)
        return value


def follow(document: Any, keys: tuple[str, ...]) -> Any:
    """What stands at the end of the path; None where it leads nowhere."""
    for key in keys:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isdecimal() and len(key) < 10 and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def scalar_text(value: Any) -> str | None:
    """A text, number or boolean as text, booleans in JSON's spelling; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def compile_field(spec: Any, where: str, problems: list[str]) -> FieldPath:
    """The field that `spec` describes. What is wrong with it is added to `problems`, beginning with `where`."""
    if not isinstance(spec, dict):
        return FieldPath(_keys(spec, where, problems))
    check_keys(spec, _KEYS, where, problems)
    if "value" in spec:
        if len(spec) > 1:
            problems.append(f"{where}: `value` is a constant and stands alone")
        return FieldPath(default=spec["value"])
    if sum(key in spec for key in ("equals", "in", "map")) > 1:
        problems.append(f"{where}: takes one of `equals`, `in` and `map`")
    if "default" in spec and ("equals" in spec or "in" in spec):
        problems.append(f"{where}: `equals` and `in` give true or false, so `default` has no use")
    return FieldPath(
        _keys(spec.get("path"), where, problems),
        _choices(spec, where, problems),
        _table(spec, where, problems),
        spec.get("default"),
    )


def check_keys(spec: dict[Any, Any], known: tuple[str, ...], where: str, problems: list[str]) -> None:
    """Add a problem for every key that is not `known`, with the known one that it resembles."""
    for key in spec:
        if key not in known:
            close = closest(str(key), known)
            hint = f"did you mean `{close}`?" if close else f"known are {', '.join(known)}"
            problems.append(f"{where}: unknown key `{key}`; {hint}")


def _keys(path: Any, where: str, problems: list[str]) -> tuple[str, ...]:
    keys = path.split(".") if isinstance(path, str) else path
    if isinstance(keys, list) and keys and all(isinstance(key, str) and key for key in keys):
        return tuple(keys)
    problems.append(f"{where}: expected a path such as `issue.fields.summary`, got {path!r}")
    return ()


def _choices(spec: dict[str, Any], where: str, problems: list[str]) -> tuple[Any, ...] | None:
    if "equals" in spec:
        return (spec["equals"],)
    if "in" not in spec:
        return None
    if not isinstance(spec["in"], list):
        problems.append(f"{where}: `in` takes a list")
        return None
    return tuple(spec["in"])


def _table(spec: dict[str, Any], where: str, problems: list[str]) -> dict[str, Any] | None:
    if "map" not in spec:
        return None
    if not isinstance(spec["map"], dict):
        problems.append(f"{where}: `map` takes an object from value to value")
        return None
    return {scalar_text(key) or "": value for key, value in spec["map"].items()}


def _same(value: Any, choice: Any) -> bool:
    """Equal, with true and 1 told apart."""
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)
