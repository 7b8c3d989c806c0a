"""The schema's versions: numbered files, each applied once, that only ever add what older code can live with.

The first line of a file, `-- works-from: N`, says that code which knows the schema up to version N works on it too. So
a newer journal can be used by the release before it (while replicas are exchanged one by one, or to go back).
"""

from __future__ import annotations

import re
from importlib import resources
from typing import NamedTuple

from automation_consumer.errors import StoreError

_WORKS_FROM = re.compile(r"-- works-from: (\d+)\n")

TABLE = """
    CREATE TABLE IF NOT EXISTS schema_versions (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL, works_from INTEGER NOT NULL)"""


class Migration(NamedTuple):
    """One numbered file."""

    number: int
    name: str
    works_from: int
    sql: str


def migrations(kind: str) -> list[Migration]:
    """All that there are for `sqlite` or `postgres`, in order."""
    folder = resources.files(__package__) / "migrations" / kind
    files = sorted((each.name, each.read_text()) for each in folder.iterdir() if each.name.endswith(".sql"))
    return [_migration(number, name, text) for number, (name, text) in enumerate(files, start=1)]


def _migration(number: int, name: str, text: str) -> Migration:
    said = _WORKS_FROM.match(text)
    return Migration(number, name, int(said[1]) if said else number, text)


def missing(known: list[Migration], applied: dict[int, int]) -> list[Migration]:
    """What is still to be applied. `applied`: number → works_from of what has been.

    StoreError when newer code has applied something that this code can't work on.
    """
    newest = max(applied, default=0)
    if newest > len(known) and applied[newest] > len(known):
        raise StoreError(
            "the journal was written by a newer version of automation-consumer",
            hint="run that version, or start with another store",
        )
    return [each for each in known if each.number not in applied]


def check_readable(known: list[Migration], applied: dict[int, int]) -> None:
    """StoreError unless an operator's command can work on this schema as it is."""
    if missing(known, applied):
        raise StoreError(
            "the journal was written by an older version of automation-consumer",
            hint="start the service of this version once: it brings the journal up to date",
        )
