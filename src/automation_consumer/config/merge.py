"""Several files as one configuration: lists follow each other, maps are united, a section stands in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from automation_consumer.config.problems import Code, Problem, problem
from automation_consumer.config.settings import Place, TopLevel
from automation_consumer.config.yaml import Document, Path

LISTS: Final = {"actions": "action", "incident_conditions": "condition"}
MAPS: Final = {"connections": "connection", "vars": "variable"}
SECTIONS: Final = tuple(name for name in TopLevel.model_fields if name not in (*LISTS, *MAPS, "version"))


@dataclass(frozen=True, slots=True)
class Item:
    """One action or condition as it stands in its file; `data` may be anything until it is checked."""

    section: str
    document: Document
    index: int
    data: Any

    @property
    def name(self) -> str | None:
        """Its name, where it has one that is a text."""
        name = self.data.get("name") if isinstance(self.data, dict) else None
        return name if isinstance(name, str) else None

    @property
    def subject(self) -> str:
        """What messages call it: `action 'rerun'`."""
        kind = LISTS[self.section]
        return f"{kind} {self.name!r}" if self.name is not None else f"{kind} {self.index + 1}"

    @property
    def path(self) -> tuple[str | int, ...]:
        return (self.section, self.index)

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where it stands, or a part of it."""
        return self.document.position((*self.path, *path), key=key)

    def problem(self, path: Path, code: Code, message: str, *, key: bool = False) -> Problem:
        """An error at a part of it."""
        return problem(self.place(path, key=key), code, message, path=(*self.path, *path))


@dataclass(slots=True)
class Merged:
    """The parts of all files, in order. `homes` says which file a section, or a name of a map, stands in."""

    sections: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in MAPS})
    actions: list[Item] = field(default_factory=list)
    conditions: list[Item] = field(default_factory=list)
    homes: dict[tuple[str, ...], Document] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Everything that counts, as plain data: what the version is a digest of."""
        return {
            **self.sections,
            **self.maps,
            "actions": [item.data for item in self.actions],
            "incident_conditions": [item.data for item in self.conditions],
        }


def merge(documents: Sequence[Document]) -> tuple[Merged, list[Problem]]:
    """All files as one. What has the wrong shape is left out here; the schema speaks of it."""
    merged = Merged()
    problems: list[Problem] = []
    for document in documents:
        for name in SECTIONS:
            if name in document.data:
                problems += _section(merged, document, name)
        for name in MAPS:
            entries = document.data.get(name)
            if isinstance(entries, dict):
                problems += _entries(merged, document, name, entries)
        merged.actions += _items(document, "actions")
        merged.conditions += _items(document, "incident_conditions")
    problems += _names(merged.actions)
    problems += _names(merged.conditions)
    return merged, problems


def _items(document: Document, section: str) -> list[Item]:
    values = document.data.get(section)
    if not isinstance(values, list):
        return []
    return [Item(section, document, index, data) for index, data in enumerate(values)]


def _section(merged: Merged, document: Document, name: str) -> list[Problem]:
    first = merged.homes.setdefault((name,), document)
    if first is document:
        merged.sections[name] = document.data[name]
        return []
    place = document.position((name,), key=True)
    where = first.position((name,), key=True)
    message = f"the section {name!r} may stand in one file only (it stands at {where})"
    return [problem(place, Code.DUPLICATE_SECTION, message, path=(name,))]


def _entries(merged: Merged, document: Document, name: str, entries: dict[str, Any]) -> list[Problem]:
    problems = []
    for key, value in entries.items():
        first = merged.homes.setdefault((name, key), document)
        if first is document:
            merged.maps[name][key] = value
            continue
        where = first.position((name, key), key=True)
        message = f"the {MAPS[name]} {key!r} is defined twice (first at {where})"
        place = document.position((name, key), key=True)
        problems.append(problem(place, Code.DUPLICATE_NAME, message, path=(name, key)))
    return problems


def _names(items: Iterable[Item]) -> list[Problem]:
    problems = []
    first: dict[str, Item] = {}
    for item in items:
        if item.name is None:
            continue
        other = first.setdefault(item.name, item)
        if other is not item:
            message = f"the {item.subject} is defined twice (first at {other.place(('name',))})"
            problems.append(item.problem(("name",), Code.DUPLICATE_NAME, message))
    return problems
