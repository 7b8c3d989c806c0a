"""Secrets: named in the YAML, read at use, masked in every text that leaves the process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from automation_consumer.config.masking import Masker
from automation_consumer.config.problems import Code, Problem, Severity, problem
from automation_consumer.config.schema_form import Schema, readable
from automation_consumer.config.settings import ActionSpec, Config, Place, Secrets
from automation_consumer.errors import SecretError
from automation_consumer.plugin.params import Params
from automation_consumer.plugin.registry import Registry

REFERENCE: Final = re.compile(r"\$secret:([A-Za-z0-9._-]*[A-Za-z0-9_-])")
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_NOT_IN_VARIABLES: Final = str.maketrans("-.", "__")

Where = Callable[[Sequence[str | int]], Place]


class SecretStore:
    """Reads secrets by name, from environment variables or from the files of a folder. Thread-safe.

    Every value that it hands out is known to its `masker` from then on.
    """

    def __init__(self, settings: Secrets, environ: Mapping[str, str], masker: Masker | None = None) -> None:
        self.masker = masker if masker is not None else Masker()
        self._settings = settings
        self._environ = environ

    def get(self, name: str) -> str:
        """The value of a secret. SecretError says what was looked for. Blocks on the disk with the file provider."""
        if not _NAME.match(name):
            raise SecretError(
                f"{name!r} is not the name of a secret", hint="letters, digits, '.', '_' and '-'"
            )
        value = self._from_file(name) if self._settings.provider == "file" else self._from_variable(name)
        self.masker.add(value)
        return value

    def has(self, name: str) -> bool:
        """Whether the secret can be read and is not empty."""
        try:
            return bool(self.get(name))
        except SecretError:
            return False

    def _from_variable(self, name: str) -> str:
        variable = self._settings.prefix + name.upper().translate(_NOT_IN_VARIABLES)
        value = self._environ.get(variable)
        if not value:
            state = "is empty" if value == "" else "is not set"
            raise SecretError(
                f"the secret {name!r} is not there: the environment variable {variable} {state}"
            )
        return value

    def _from_file(self, name: str) -> str:
        if self._settings.path is None:
            raise SecretError(f"the secret {name!r} cannot be read: secrets.path is not set")
        file = Path(self._settings.path, name)
        try:
            value = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise SecretError(f"the secret {name!r} cannot be read from {file}: {reason}") from None
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise SecretError(f"the secret {name!r} is not there: the file {file} is empty")
        return value


def references(data: Any) -> set[str]:
    """The names in every `$secret:NAME` of nested data."""
    return {name for _, name in _references(data, ())}


def secret_names(spec: ActionSpec, registry: Registry) -> set[str]:
    """The secrets that an action names itself: `$secret:NAME` anywhere, and fields that hold a secret's name."""
    return {name for _, name in _of_action(spec, registry)}


def missing_secrets(
    config: Config, registry: Registry, store: SecretStore, where: Where | None = None
) -> list[Problem]:
    """An error for each place that names a secret which cannot be found. Blocks on the disk with the file provider."""
    problems: list[Problem] = []
    found: dict[str, bool] = {}
    for path, name in _all_names(config, registry):
        if name not in found:
            found[name] = store.has(name)
        if not found[name]:
            problems.append(_missing(config, store, path, name, where))
    return problems


def learn_all(config: Config, registry: Registry, store: SecretStore) -> None:
    """Read every secret that the config names, so that its value is masked from the first line on. Missing ones are left out."""
    for name in {name for _, name in _all_names(config, registry)}:
        if store.has(name):
            store.get(name)


def absent_secrets(config: Config, registry: Registry, store: SecretStore, where: Where) -> list[Problem]:
    """The same as warnings: a service may start without a secret, for it is read when it is used."""
    missing = missing_secrets(config, registry, store, where)
    return [replace(each, severity=Severity.WARNING) for each in missing]


def _missing(
    config: Config, store: SecretStore, path: tuple[str | int, ...], name: str, where: Where | None
) -> Problem:
    reason = f"the secret {name!r} is not there"
    try:
        store.get(name)
    except SecretError as error:
        reason = str(error)
    if where is not None:
        place = where(path)
    elif path[0] == "actions":
        place = config.actions[str(path[1])].place
    else:
        place = Place(config.files[0] if config.files else "configuration")
    return problem(place, Code.MISSING_SECRET, reason, path=path)


def _all_names(config: Config, registry: Registry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name, spec in config.actions.items():
        for path, secret in _of_action(spec, registry):
            yield ("actions", name, *path), secret
    settings = config.settings
    for name, connection in settings.connections.items():
        yield from _references(connection, ("connections", name))
        for key, value in connection.items():
            if key.endswith("_secret") and isinstance(value, str) and "$secret:" not in value:
                yield ("connections", name, key), value
    if settings.kafka is not None:
        yield from _references(settings.kafka.model_dump(by_alias=True), ("kafka",))
    yield from _references(settings.vars, ("vars",))
    yield from _references(settings.store, ("store",))


def _of_action(spec: ActionSpec, registry: Registry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from _references(spec.params, ())
    model: type[Params] = registry.get(spec.type).Params
    schema = _params_schema(model)
    yield from _secret_fields(schema, spec.params, (), schema.get("$defs", {}))


@cache
def _params_schema(model: type[Params]) -> Schema:
    return readable(model.model_json_schema())


def _secret_fields(
    schema: Schema, data: Any, path: tuple[str | int, ...], definitions: Schema
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where data holds the name of a secret, by its schema."""
    if schema.get("x-kind") == "secret" and isinstance(data, str):
        yield path, data
    reference = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    for same in (*schema.get("anyOf", ()), *([definitions[reference]] if reference else ())):
        yield from _secret_fields(same, data, path, definitions)
    if isinstance(data, dict):
        properties = schema.get("properties", {})
        for name in filter(properties.__contains__, data):
            yield from _secret_fields(properties[name], data[name], (*path, name), definitions)
    elif isinstance(data, list) and isinstance(schema.get("items"), dict):
        for index, value in enumerate(data):
            yield from _secret_fields(schema["items"], value, (*path, index), definitions)


def _references(data: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(data, str):
        if "$secret:" in data:
            yield from ((path, name) for name in REFERENCE.findall(data))
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _references(value, (*path, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from _references(value, (*path, index))
