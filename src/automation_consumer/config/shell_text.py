"""Where a quoted value may stand in a shell script: only where the shell reads a word, not within quotes or comments.

`'it''s'` is one word in `echo {{ x }}`, but in `echo "{{ x }}"` the shell would still run `$(…)` within it.
"""

from __future__ import annotations

from enum import StrEnum


class Within(StrEnum):
    """What the text so far leaves open."""

    WORDS = "words"
    SINGLE_QUOTES = "single quotes"
    DOLLAR_QUOTES = "$'…' quotes"
    DOUBLE_QUOTES = "double quotes"
    BACKTICKS = "backticks"
    COMMENT = "a comment"
    HERE_DOCUMENT = "a here-document"
    ESCAPE = "a backslash escape"


_CLOSES = {
    Within.SINGLE_QUOTES: "'",
    Within.DOLLAR_QUOTES: "'",
    Within.DOUBLE_QUOTES: '"',
    Within.BACKTICKS: "`",
    Within.COMMENT: "\n",
}
_OPENS = {"'": Within.SINGLE_QUOTES, '"': Within.DOUBLE_QUOTES, "`": Within.BACKTICKS}
_BACKSLASH_WORKS = {Within.WORDS, Within.DOLLAR_QUOTES, Within.DOUBLE_QUOTES, Within.BACKTICKS}


class ShellText:
    """Reads a script piece by piece. After a here-document has begun, everything counts as part of it."""

    def __init__(self) -> None:
        self._state = Within.WORDS
        self._escaped = False
        self._before = "\n"
        self._angles = 0

    @property
    def within(self) -> Within:
        """What a value that is put in here would stand within."""
        return Within.ESCAPE if self._escaped else self._state

    def read(self, text: str) -> None:
        """Go on with a piece of the script's own text."""
        for char in text:
            if self._escaped:
                self._escaped = False
            elif char == "\\" and self._state in _BACKSLASH_WORKS:
                self._escaped = True
            elif self._state is Within.WORDS:
                self._state = self._opened_by(char)
            elif char == _CLOSES.get(self._state):
                self._state = Within.WORDS
            self._before = char

    def read_value(self) -> None:
        """Go past a value: one quoted word."""
        self._before, self._angles = "'", 0

    def _opened_by(self, char: str) -> Within:
        if self._angles == 2 and char != "<":
            return Within.HERE_DOCUMENT
        self._angles = self._angles + 1 if char == "<" else 0
        if char == "#" and self._before in " \t\n;&|()":
            return Within.COMMENT
        if char == "'" and self._before == "$":
            return Within.DOLLAR_QUOTES
        return _OPENS.get(char, Within.WORDS)
