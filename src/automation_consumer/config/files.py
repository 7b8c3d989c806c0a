"""Which files a configuration consists of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from automation_consumer.config.problems import Code, Problem, problem
from automation_consumer.config.settings import Place

SUFFIXES = (".yaml", ".yml")


def find_files(paths: Sequence[str | Path]) -> tuple[list[str], list[Problem]]:
    """The files at and below the paths, each once, a folder's in the order of their names.

    Hidden files and folders are left out: a mounted ConfigMap keeps its versions in folders such as `..data`.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for path in map(str, paths):
        files = sorted(_below(path)) if os.path.isdir(path) else [path]
        if not files:
            place = Place(path)
            problems.append(problem(place, Code.FILE_EMPTY, "no *.yaml or *.yml file in this folder"))
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values()), problems


def _below(folder: str) -> Iterator[str]:
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link back to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            os.path.join(root, name) for name in files if name.endswith(SUFFIXES) and not name.startswith(".")
        )
