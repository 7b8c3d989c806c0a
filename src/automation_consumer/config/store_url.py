"""The URL of a store: which forms there are, and how one is shown without its password."""

from __future__ import annotations

import re
from typing import Final

SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://")
FORMS: Final = "write sqlite:///automation.db or postgresql://user@host/database"

_CREDENTIALS: Final = re.compile(r"(?P<user>//(?:[^:/@]*:)?)?.*@", re.DOTALL)
_PARAMETER: Final = re.compile(r"(?i)((?:password|passfile|passwd|pwd)=)[^&\s]*")


def understood(url: str) -> bool:
    """Whether it is `sqlite:///PATH` or `postgresql://…`. A URL that is a secret as a whole cannot be judged, and is."""
    if url.startswith("$secret:"):
        return True
    return url.startswith(POSTGRES) or (url.startswith(SQLITE) and url != SQLITE)


def without_password(url: str) -> str:
    """The URL for people: what stands where a password would is `***`."""
    scheme, colon, rest = url.partition(":")
    if colon:
        rest = _CREDENTIALS.sub(lambda found: f"{found['user'] or ''}***@", rest, count=1)
    return _PARAMETER.sub(r"\1***", scheme + colon + rest)
