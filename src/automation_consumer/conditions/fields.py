"""The fields that clauses are about: of an incident, or of an alert. `tags.<name>` is the tag of that name, dots and all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any

from automation_consumer.config.suggest import closest
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS

TAG_PREFIX = "tags."
_TIMES = frozenset({"started_at", "updated_at"})
_LISTS = frozenset({"environments"})


class Subject(StrEnum):
    """What a tree of clauses is about."""

    INCIDENT = "incident"
    ALERT = "alert"


_FIELDS = {Subject.INCIDENT: INCIDENT_FIELDS, Subject.ALERT: ALERT_FIELDS}


class UnknownFieldError(ValueError):
    """A path that is no field of the subject; the message suggests one."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: how it is read from its subject, and what is known of its values."""

    subject: Subject
    path: str
    read: Callable[[Any], Any]
    is_tag: bool
    is_time: bool
    may_be_list: bool

    @property
    def cost(self) -> int:
        """What reading it costs, relative to an incident's plain field: tags and alerts are decoded on first use."""
        return (20 if self.subject is Subject.ALERT else 1) + (4 if self.is_tag else 0)


@functools.lru_cache(maxsize=4096)
def field(subject: Subject, path: str) -> Field:
    """The field at a path. UnknownFieldError when there is none."""
    if path.startswith(TAG_PREFIX) and len(path) > len(TAG_PREFIX):
        return Field(subject, path, _tag_reader(path[len(TAG_PREFIX) :]), True, False, True)
    if path not in _FIELDS[subject]:
        raise UnknownFieldError(_unknown(subject, path))
    return Field(subject, path, attrgetter(path), False, path in _TIMES, path in _LISTS)


def _tag_reader(name: str) -> Callable[[Any], Any]:
    return lambda subject: subject.tags.get(name)


def _unknown(subject: Subject, path: str) -> str:
    near = closest(path, [*_FIELDS[subject], "any", "all", "not"])
    if near is None:
        near = "tags." + path.removeprefix("tag.").removeprefix(TAG_PREFIX).removeprefix(".")
        near = near if near != TAG_PREFIX else "tags.<name>"
    return f"unknown field {path!r} of an {subject.value} (did you mean {near!r}?)"
