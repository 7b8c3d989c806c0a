"""Takes the values of secrets out of texts."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
MIN_LENGTH: Final = 4
"""A shorter secret is not masked: it would take innocent text with it, and is none."""

_MIN_PART: Final = 8


class Masker:
    """Remembers values, and replaces each by `***` wherever it stands in a text. Thread-safe.

    A value is also found as it looks inside JSON, a URL, base64 (a Basic header, say), and line by line.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: set[str] = set()
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Mask this value from now on."""
        if value in self._values or len(value) < MIN_LENGTH:
            return
        with self._lock:
            self._forms.update(form for form in _forms(value) if len(form) >= MIN_LENGTH)
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            self._values.add(value)

    def mask(self, text: str) -> str:
        """The text without the values."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)


def _forms(value: str) -> Iterator[str]:
    """A value as it may look in a text."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    raw = value.encode("utf-8", "surrogatepass")
    yield quote(raw, safe="")
    yield quote(raw)
    yield quote_plus(raw)
    for altchars in (b"+/", b"-_"):
        yield from _base64_forms(raw, altchars)
    for line in value.splitlines():
        if len(line) >= _MIN_PART:
            yield line


def _base64_forms(raw: bytes, altchars: bytes) -> Iterator[str]:
    """The base64 of the value, and the part of it that is the same inside any longer text (`user:value`)."""
    whole = base64.b64encode(raw, altchars).decode("ascii")
    yield whole
    yield whole.rstrip("=")
    for offset, begin in ((0, 0), (1, 2), (2, 3)):
        end = (offset + len(raw)) * 8 // 6
        part = base64.b64encode(bytes(offset) + raw, altchars).decode("ascii")[begin:end]
        if len(part) >= _MIN_PART:
            yield part
