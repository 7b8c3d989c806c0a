"""What a safety check says of a run before it acts."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Decision(StrEnum):
    """Whether the run may act."""

    ALLOW = "allow"  # go on to the next check
    HOLD = "hold"  # not now: ask again after `retry_after_s`
    DENY = "deny"  # not at all; recorded with the reason


class Verdict(msgspec.Struct, frozen=True):
    """One check's answer. `check` is the check's name, `reason` a sentence for people."""

    decision: Decision
    check: str
    reason: str = ""
    retry_after_s: float | None = None
