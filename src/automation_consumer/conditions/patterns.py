"""Regular expressions that run in time linear in the text: RE2, with bounded memory.

Everything is matched as UTF-8 bytes, so that a text with lone surrogates is matched, too, instead of failing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

import re2

_MAX_MEMORY = 2 << 20  # per pattern; a pattern that needs more is refused
_SET_MEMORY = 32 << 20  # per set of patterns
_SET_SIZE = (
    2500  # patterns of one set: fewer sets are fewer passes over a text, but larger sets have larger states
)

_LITERAL = re.compile(r"[^\\.+*?()|\[\]{}^$]|\\[^\w\s]")
_QUANTIFIERS = "*?{+"


class PatternError(ValueError):
    """A pattern that does not compile; the message says why."""


def _options(max_memory: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = max_memory
    return options


def encode(text: str) -> bytes:
    """A text as it is matched."""
    return text.encode("utf-8", "surrogatepass")


@functools.lru_cache(maxsize=65_536)
def searcher(pattern: str) -> Callable[[str], bool]:
    """A function that says whether the pattern is found anywhere in a text. PatternError when it does not compile."""
    try:
        search = re2.compile(pattern.encode(), _options(_MAX_MEMORY)).search
    except UnicodeEncodeError as error:
        raise PatternError("it is not valid Unicode") from error
    except re2.error as error:
        raise PatternError(_reason(error)) from error

    def found(text: str) -> bool:
        return search(text.encode("utf-8", "surrogatepass")) is not None

    return found


def _reason(error: re2.error) -> str:
    detail = error.args[0] if error.args else error
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)


def escape(literal: str) -> str:
    """A pattern that finds exactly this text."""
    return str(re2.escape(literal))


def glob_pattern(glob: str) -> str:
    """The pattern of a glob, for the whole text: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`, as in fnmatch; case matters."""
    out, at = [r"(?s)\A"], 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[" and (end := _set_end(glob, at)) is not None:
            out.append(_glob_set(glob[at:end]))
            at = end + 1
        else:
            out.append(escape(char))
    return "".join(out) + r"\z"


def _set_end(glob: str, start: int) -> int | None:
    """Where the `]` of a set is whose text begins at `start`; a `]` that comes first belongs to the set."""
    first = start + 1 if glob[start : start + 1] == "!" else start
    end = glob.find("]", first + 1)
    return None if end < 0 else end


def _glob_set(body: str) -> str:
    negated = body.startswith("!")
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", body[1:] if negated else body)
    return f"[{'^' if negated else ''}{members}]"


def glob_literal(glob: str) -> tuple[str, bool]:
    """What every text begins with that the glob matches, and whether that is the whole text."""
    found = re.search(r"[*?\[]", glob)
    return (glob, True) if found is None else (glob[: found.start()], False)


def literal_prefix(pattern: str) -> str:
    """What every text begins with in which the pattern is found; '' when that is not certain.

    Only patterns that begin with `^` have one, up to the first thing that is not a plain character.
    """
    if not pattern.startswith("^") or r"\Q" in pattern or _alternates(pattern):
        return ""
    out, at = [], 1
    while found := _LITERAL.match(pattern, at):
        out.append(found[0][-1])
        at = found.end()
    if out and pattern[at : at + 1] in _QUANTIFIERS and at < len(pattern):
        out.pop()  # the last character may be there or not
    return "".join(out)


def _alternates(pattern: str) -> bool:
    """Whether a `|` may stand outside of all groups; when in doubt, yes."""
    if "|" not in pattern:
        return False
    bare = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
    if "[" in bare:
        return True
    depth = 0
    for char in bare:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            return True
    return False


class PatternSet:
    """Many patterns, searched in one pass over a text."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._size = len(patterns)
        self._parts = [
            (start, _Part(patterns[start : start + _SET_SIZE]))
            for start in range(0, len(patterns), _SET_SIZE)
        ]

    def match(self, text: str) -> list[int]:
        """The indexes of the patterns that are found in the text (maybe more, never fewer)."""
        data = encode(text)
        return [start + index for start, part in self._parts for index in part.match(data)]


class _Part:
    """One RE2 set. Its last pattern is found in every text: when RE2 gives up (memory), it is missing from the
    answer, and then every pattern counts as found."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._all = list(range(len(patterns)))
        self._sentinel = len(patterns)
        self._set: re2.Set | None = re2.Set.SearchSet(_options(_SET_MEMORY))
        try:
            for pattern in patterns:
                self._set.Add(pattern.encode())
            self._set.Add(b"")
            self._set.Compile()
        except re2.error:
            self._set = None

    def match(self, data: bytes) -> list[int]:
        found = self._set.Match(data) if self._set is not None else None
        if found is None or self._sentinel not in found:
            return self._all
        return [index for index in found if index != self._sentinel]
