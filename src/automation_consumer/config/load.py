"""Loads a configuration: files in, a valid `Config` or all of its problems out. `validate` and the service use this."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from automation_consumer.config.assemble import Assembly
from automation_consumer.config.check import Checks
from automation_consumer.config.environment import Environment
from automation_consumer.config.files import find_files
from automation_consumer.config.merge import Item, Merged, merge
from automation_consumer.config.problems import Problem, Severity, in_order
from automation_consumer.config.reader import read_file
from automation_consumer.config.references import check_references
from automation_consumer.config.settings import Config, Place
from automation_consumer.config.yaml import Document
from automation_consumer.plugin.registry import Registry


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading.

    `config` is None when there is an error. `draft` has every part that is fine by itself, so that the checks of
    other rooms can go on and a person sees all problems at once.
    """

    config: Config | None
    draft: Config
    problems: list[Problem]
    merged: Merged
    conditions: tuple[Item, ...]
    """The items of `draft.conditions`, in the same order."""
    actions: dict[str, Item]
    """The items of `draft.actions`, by name, in the same order."""
    damaged: Loaded | None = None
    """The parts that the schema refuses somewhere, as a draft of their own: the other checks look at them, too."""

    def where(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Where a part of `draft` stands: `("incident_conditions", 3, "match", "tags.host")`.

        An action or condition is given by its index in `draft`, or by its name. A part that is not there has the
        place of its nearest parent.
        """
        found = self._item(path)
        if found is not None:
            return found.place(path[2:], key=key)
        for length in (2, 1):
            home = self.merged.homes.get(tuple(map(str, path[:length])))
            if home is not None:
                return home.position(path, key=key)
        return Place(self.draft.files[0] if self.draft.files else "configuration")

    def _item(self, path: Sequence[str | int]) -> Item | None:
        if len(path) < 2 or path[0] not in ("actions", "incident_conditions"):
            return None
        step = path[1]
        if path[0] == "actions" and isinstance(step, str):
            return self.actions.get(step)
        items = list(self.actions.values()) if path[0] == "actions" else self.conditions
        if isinstance(step, int):
            return items[step] if step < len(items) else None
        return next((item for item in items if item.name == step), None)


def load(paths: Sequence[str | Path], registry: Registry, environ: Mapping[str, str]) -> Loaded:
    """Read, check and join the files at and below `paths`. Never raises for what the files say. Blocks on the disk."""
    with _no_collection():
        files, problems = find_files(paths)
        documents: list[Document] = []
        environment = Environment(environ)
        for file in files:
            document, found = read_file(file, environment)
            problems += found
            if document is not None:
                documents.append(document)
        return _finish(registry, files, documents, problems)


def _finish(registry: Registry, files: list[str], documents: list[Document], unread: list[Problem]) -> Loaded:
    """Everything after reading. `unread`: what was wrong with the files as YAML."""
    checks = Checks(registry)
    found = [each for document in documents for each in checks.document(document)]
    merged, clashes = merge(documents)
    assembly = Assembly(registry, checks)
    actions = assembly.actions(merged.actions)
    conditions = assembly.conditions(merged.conditions)
    settings = assembly.settings(merged, [spec.condition for _, spec in conditions], found)
    draft = Config(
        version=_version(merged),
        settings=settings,
        actions={name: spec for name, (_, spec) in actions.items()},
        conditions=tuple(spec for _, spec in conditions),
        files=tuple(files),
    )
    problems = [*clashes, *check_references(merged, registry, complete=len(documents) == len(files))]
    problems += _not_said(unread, [*found, *assembly.problems])
    failed = any(each.severity is Severity.ERROR for each in (*unread, *problems))
    loaded = Loaded(
        config=None if failed else draft,
        draft=draft,
        problems=in_order([*unread, *problems]),
        merged=merged,
        conditions=tuple(item for item, _ in conditions),
        actions={name: item for name, (item, _) in actions.items()},
    )
    return replace(loaded, damaged=_damaged(loaded, assembly))


def _damaged(loaded: Loaded, assembly: Assembly) -> Loaded | None:
    actions, conditions = assembly.damaged_actions, assembly.damaged_conditions
    if not actions and not conditions:
        return None
    draft = replace(
        loaded.draft,
        actions={name: spec for name, (_, spec) in actions.items()},
        conditions=tuple(spec for _, spec in conditions),
    )
    return replace(
        loaded,
        draft=draft,
        conditions=tuple(item for item, _ in conditions),
        actions={name: item for name, (item, _) in actions.items()},
    )


def _not_said(unread: list[Problem], found: list[Problem]) -> list[Problem]:
    """Leave out what is about a value that could not be read in the first place."""
    places = {(each.file, each.line, each.column) for each in unread}
    return [each for each in found if (each.file, each.line, each.column) not in places]


def _version(merged: Merged) -> str:
    """A short digest of all that counts in the configuration."""
    text = json.dumps(merged.content(), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: nothing here makes cycles, and walking the growing data costs half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
