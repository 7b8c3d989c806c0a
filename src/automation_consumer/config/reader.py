"""Reads one YAML file into a `Document`, with everything that is wrong with it as YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from automation_consumer.config.environment import Environment
from automation_consumer.config.problems import Code, Problem, problem
from automation_consumer.config.scalars import tagged, typed
from automation_consumer.config.settings import Place
from automation_consumer.config.yaml import LOADER, MERGE_KEY, Document
from automation_consumer.errors import ConfigError

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 100
MAX_ALIASED: Final = 1_000_000
"""Values that aliases may stand for, all together; more is a file that expands without bound."""

_NOT_PRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_OPEN: Final = object()
"""Stands for an anchor whose value is not complete yet."""


class _UnreadableError(ConfigError):
    """The rest of the file makes no sense after this problem."""

    def __init__(self, found: Problem) -> None:
        super().__init__(str(found))
        self.found = found


def read_file(file: str, environment: Environment) -> tuple[Document | None, list[Problem]]:
    """The document of a file, and all that is wrong with it; None when it cannot be read at all. Blocks on the disk."""
    start = Place(file)
    try:
        size = Path(file).stat().st_size
        raw = Path(file).read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return None, [problem(start, Code.FILE_UNREADABLE, f"cannot read the file: {reason}")]
    if size > MAX_BYTES:
        return None, [problem(start, Code.FILE_UNREADABLE, f"the file is larger than {MAX_BYTES} bytes")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _offset_place(file, raw[: error.start].decode("utf-8", "replace"))
        return None, [problem(place, Code.FILE_UNREADABLE, "not UTF-8 text: save the file as UTF-8")]
    return read_text(file, text, environment)


def read_text(
    file: str, text: str, environment: Environment, *, loader: Any = LOADER
) -> tuple[Document | None, list[Problem]]:
    """As `read_file`, with the text already at hand. `file` is what the problems call it."""
    control = _NOT_PRINTABLE.search(text)
    if control:
        message = f"the character U+{ord(control[0]):04X} is not allowed in YAML: remove it, or write it as an escape"
        return None, [problem(_offset_place(file, text[: control.start()]), Code.YAML_SYNTAX, message)]
    builder = _Builder(file, loader(text), environment)
    try:
        data = builder.document()
    except _UnreadableError as stop:
        return None, [*builder.problems, stop.found]
    except yaml.MarkedYAMLError as error:
        return None, [*builder.problems, _syntax(file, text, error)]
    document = Document(file, text, data, environment=environment, items=builder.items, loader=loader)
    return document, builder.problems


class _Builder:
    """Builds plain data from events. Collects what it can step over; raises `_UnreadableError` for the rest."""

    def __init__(self, file: str, loader: Any, environment: Environment) -> None:
        self.problems: list[Problem] = []
        self.items: dict[int, list[tuple[int, int]]] = {}
        self._file = file
        self._next: Any = loader.get_event
        self._environment = environment
        self._anchors: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._count = 0
        self._aliased = 0
        self._path: list[str | int] = []

    def document(self) -> dict[str, Any]:
        """The data of the only document of the stream."""
        self._next()  # the start of the stream
        if isinstance(self._next(), StreamEndEvent):
            raise self._refused(None, Code.FILE_EMPTY, "the file is empty")
        first = self._next()
        data = self._value(first)
        self._next()  # the end of the document
        following = self._next()
        if isinstance(following, DocumentStartEvent):
            message = "a second document begins here: one file holds one document, so move it to its own file"
            raise self._refused(following, Code.YAML_SYNTAX, message)
        if data is None:
            raise self._refused(first, Code.FILE_EMPTY, "the file is empty")
        if not isinstance(data, dict):
            message = "a configuration is a mapping, as in `version: 1`"
            raise self._refused(first, Code.WRONG_TYPE, message)
        return data

    def _value(self, event: Event) -> Any:
        self._count += 1
        if type(event) is ScalarEvent:
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchor(event, value, 1)
            return value
        if type(event) is AliasEvent:
            return self._alias(event)
        return self._collection(event)

    def _collection(self, event: Any) -> Any:
        if len(self._path) >= MAX_DEPTH:
            raise self._refused(event, Code.YAML_DEPTH, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._add(event, Code.YAML_SYNTAX, f"the tag {event.tag} is not plain data; remove it")
        start = self._count
        if event.anchor is not None:
            self._anchor(event, _OPEN, 0)
        self._path.append("")
        value = self._mapping() if type(event) is MappingStartEvent else self._sequence()
        self._path.pop()
        if event.anchor is not None:
            self._anchors[event.anchor] = value
            self._sizes[event.anchor] = self._count - start + 1
        return value

    def _sequence(self) -> list[Any]:
        values: list[Any] = []
        marks: list[tuple[int, int]] | None = [] if len(self._path) == 2 else None
        for index, event in enumerate(self._until(SequenceEndEvent)):
            self._path[-1] = index
            if marks is not None:
                marks.append((event.start_mark.line + 1, event.start_mark.column + 1))
                if type(event) is AliasEvent:
                    marks = None
            values.append(self._value(event))
        if marks is not None:
            self.items[id(values)] = marks
        return values

    def _mapping(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        marks: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        for event in self._until(MappingEndEvent):
            key = self._key(event)
            if key in marks:
                first = marks[key]
                where = f"line {first.line + 1}, column {first.column + 1}"
                message = f"the key {key!r} stands twice in this mapping (first at {where})"
                self._add(event, Code.YAML_DUPLICATE_KEY, message)
            self._path[-1] = key
            following = self._next()
            value = self._value(following)
            if key == MERGE_KEY and event.implicit[0]:
                merged += self._merge_sources(following, value)
            elif key not in marks:
                data[key] = value
            marks.setdefault(key, event.start_mark)
        for source in merged:
            for key, value in source.items():
                data.setdefault(key, value)
        return data

    def _until(self, end: type[Event]) -> Iterator[Any]:
        following = self._next
        event = following()
        while type(event) is not end:
            yield event
            event = following()

    def _key(self, event: Event) -> str:
        if type(event) is AliasEvent:
            key = self._alias(event)
            if isinstance(key, str):
                return key
        if type(event) is not ScalarEvent:
            raise self._refused(event, Code.YAML_SYNTAX, "a key must be a simple text")
        self._count += 1
        key = event.value
        if "${" in key:
            key = self._expand(event, key)
        if event.anchor is not None:
            self._anchor(event, key, 1)
        return str(key)

    def _merge_sources(self, event: Any, value: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            message = "`<<` takes a mapping or a list of mappings, as in `<<: *defaults`"
            self._add(event, Code.YAML_SYNTAX, message)
            return []
        return sources

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if "${" in text:
            text = self._expand(event, text)
        if not text.isascii() and _SURROGATE.search(text):  # libyaml refuses it by itself
            self._add(
                event, Code.YAML_SYNTAX, "half of a surrogate pair is not a character: correct the escape"
            )
            return ""
        try:
            if event.implicit[0]:
                return typed(text)
            if event.tag is None or event.tag == "!":
                return text
            return tagged(event.tag, text)
        except ValueError as error:
            self._add(event, Code.YAML_SYNTAX, str(error))
            return text

    def _expand(self, event: Any, text: str) -> str:
        expansion = self._environment.expand(text)
        for name in expansion.missing:
            message = f"the environment variable {name} is not set: set it, or write ${{{name}:default}}"
            self._add(event, Code.MISSING_VARIABLE, message)
        if expansion.malformed:
            message = (
                "'${' begins a variable, ${NAME} or ${NAME:default}: write $${ for the characters themselves"
            )
            self._add(event, Code.BAD_VARIABLE, message)
        return expansion.text

    def _anchor(self, event: Any, value: Any, size: int) -> None:
        if event.anchor in self._anchors:
            message = f"the anchor &{event.anchor} is defined twice: rename one of them"
            raise self._refused(event, Code.YAML_ALIAS, message)
        self._anchors[event.anchor] = value
        self._sizes[event.anchor] = size

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._refused(event, Code.YAML_ALIAS, f"no anchor &{event.anchor} stands before this alias")
        value = self._anchors[event.anchor]
        if value is _OPEN:
            raise self._refused(
                event, Code.YAML_ALIAS, f"the alias *{event.anchor} stands within its own anchor"
            )
        size = self._sizes[event.anchor]
        self._count += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            message = f"the aliases expand to more than {MAX_ALIASED} values"
            raise self._refused(event, Code.YAML_ALIAS, message)
        return value

    def _add(self, event: Any, code: Code, message: str) -> None:
        self.problems.append(self._problem(event, code, message))

    def _refused(self, event: Any, code: Code, message: str) -> _UnreadableError:
        return _UnreadableError(self._problem(event, code, message))

    def _problem(self, event: Any, code: Code, message: str) -> Problem:
        return problem(
            _mark_place(self._file, event.start_mark if event else None), code, message, path=self._path
        )


def _mark_place(file: str, mark: Any) -> Place:
    return Place(file) if mark is None else Place(file, mark.line + 1, mark.column + 1)


def _offset_place(file: str, before: str) -> Place:
    """The place after the text `before`."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Place(file, len(lines), len(lines[-1]) + 1)


_HINTS: Final = (
    ("mapping values are not allowed", "a ':' is not allowed here: quote the text, or check the indentation"),
    ("did not find expected key", "the indentation does not fit the lines above"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("did not find expected '-'", "the indentation does not fit the list above"),
    ("did not find expected ',' or", "a ',' or a closing bracket is missing"),
    ("expected ',' or", "a ',' or a closing bracket is missing"),
    ("could not find expected ':'", "a ':' is missing after the key"),
)


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    """A parser's error in plain words."""
    mark = error.problem_mark or error.context_mark
    place = _mark_place(file, mark)
    said = error.problem or error.context or "not YAML"
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if line[place.column - 1 : place.column] == "\t":
        message = "a tab cannot indent YAML: use spaces"
    elif "cannot start any token" in said:
        message = f"{line[place.column - 1 : place.column]!r} cannot begin a plain text: quote it"
    else:
        message = next((hint for start, hint in _HINTS if start in said), said)
    if re.search(r"[\[{,].*\$\{", line):
        message += ' (inside { } or [ ] a variable must be quoted: "${NAME}")'
    return problem(place, Code.YAML_SYNTAX, f"not valid YAML: {message}")
