"""Did-you-mean: the known name nearest to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LIMIT = 5_000


def closest(name: str, known: Iterable[str], *, cutoff: float = 0.65) -> str | None:
    """The known name nearest to `name`; None when none is near."""
    options = list(known)
    folded = name.casefold()
    for option in options:
        if option.casefold() == folded:
            return option
    if len(options) > _LIMIT:  # difflib is quadratic; among so many, only names of about this length
        options = [option for option in options if abs(len(option) - len(name)) <= 1]
    found = difflib.get_close_matches(name, options, n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, to be put at the end of a message; '' when no known name is near."""
    found = closest(name, known)
    return f" (did you mean {found!r}?)" if found is not None else ""
