"""What a safety check says of a run before it acts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Decision(StrEnum):
    """Whether the run may act."""

    ALLOW = "allow"  # go on to the next check
    HOLD = "hold"  # not now: ask again after `retry_after_s`
    DENY = "deny"  # not at all; recorded with the reason


class Then(StrEnum):
    """What a denied run means for what would come after it in its sequence."""

    GO_ON = "go-on"  # nothing stands in the way: it was not needed, or not wanted
    FAIL = "fail"  # it counts as failed: the sequence ends and `on_failure` runs
    HOLD = "hold"  # the sequence ends; neither `on_success` nor `on_failure` runs, and it can be run later
    STOP = "stop"  # the sequence ends; neither `on_success` nor `on_failure` runs


class Verdict(msgspec.Struct, frozen=True):
    """One check's answer. `check` is the check's name, `reason` a sentence for people.

    Of a denial: `then` says what comes after, `data` goes into the journal (plain values).
    """

    decision: Decision
    check: str
    reason: str = ""
    retry_after_s: float | None = None
    then: Then = Then.GO_ON
    data: Mapping[str, Any] = {}
