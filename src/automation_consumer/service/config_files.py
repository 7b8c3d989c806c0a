"""Whether the files of a configuration have changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automation_consumer.config.files import find_files

Fingerprint = tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class ConfigFiles:
    """The paths of a configuration, and how the files looked just before it was read."""

    paths: tuple[str, ...]
    seen: Fingerprint

    @classmethod
    def about_to_be_read(cls, paths: Sequence[str | Path]) -> ConfigFiles:
        """Blocks on the disk."""
        return cls(tuple(map(str, paths)), fingerprint(paths))


def fingerprint(paths: Sequence[str | Path]) -> Fingerprint:
    """Changes when a file at or below the paths does, comes or goes, or when a link on the way points elsewhere.

    Looks at the directories' entries and never into a file. Never raises; blocks on the disk.
    """
    files, _ = find_files(paths)
    return tuple(_look(file) for file in files)


def _look(file: str) -> tuple[object, ...]:
    try:
        found = os.stat(file)
    except OSError as error:
        return file, error.errno
    # The resolved path, because a mounted ConfigMap is changed by pointing the link `..data` to another folder.
    return file, os.path.realpath(file), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
