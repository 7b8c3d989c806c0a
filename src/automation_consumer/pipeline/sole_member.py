"""One process per consumer group, where the journal cannot be shared: the others would not know what this one did."""

from __future__ import annotations

from typing import Final

from automation_consumer.clock import Clock
from automation_consumer.errors import BrokerError, UsageError
from automation_consumer.logs import get_logger
from automation_consumer.pipeline.source import Source

MARGIN_S: Final = 5.0
LOOK_EVERY_S: Final = 1.0
IDLE_LOOK_S: Final = 30.0  # while no partition is ours, and nothing could be taken anyway
ANSWER_WITHIN_S: Final = 2.0
_TO_DO: Final = "stop the other one, or share a journal: store: postgresql://…"
_log = get_logger(__name__)


class SoleMember:
    """Whether this process has every partition of its topics. Owned by the thread that polls.

    A member that was killed keeps its partitions for the session timeout, and a topic that grows gives its new ones
    away a moment later; so what is missing is evidence of another member only when it is missing for longer than that,
    by the word of a broker that answers.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._joined = False
        self._has_all = False
        self._had_all = False
        self._missing_since: float | None = None
        self._look_at = 0.0
        self._has_some = False
        self._told = False

    def changed(self) -> None:
        """Partitions have come or gone (or none came with the assignment)."""
        self._joined = True
        self._has_all = False
        self._look_at = self._clock.monotonic() + (0.0 if self._has_some else IDLE_LOOK_S)

    def alone(self, source: Source) -> bool:
        """Whether all partitions are ours. Asks the broker when that may have changed: blocks for 2 s at most.

        UsageError when it never had all, and another member must be the reason.
        """
        now = self._clock.monotonic()
        if bool(source.assignment) != self._has_some:
            self._has_some = not self._has_some
            self._look_at = now if self._has_some else now + IDLE_LOOK_S
        if self._has_all or not self._joined or now < self._look_at:
            return self._has_all
        # Without partitions there is no hurry, and asking keeps a client busy that has to find its broker again.
        self._look_at = now + ANSWER_WITHIN_S + (LOOK_EVERY_S if self._has_some else IDLE_LOOK_S)
        try:
            missing = len(source.all_partitions(ANSWER_WITHIN_S) - source.assignment)
        except BrokerError as error:
            _log.warning("cannot ask for the partitions: %s", error, event="sole_member.no_answer")
            self._missing_since = None  # without the broker nobody's session runs out either
            return False
        if not missing:
            self._found_all()
            return True
        self._wait(source, missing, self._clock.monotonic())
        return False

    def _found_all(self) -> None:
        if self._told:
            _log.info("all partitions are ours again: going on", event="sole_member.alone")
        self._has_all = self._had_all = True
        self._missing_since, self._told = None, False

    def _wait(self, source: Source, missing: int, now: float) -> None:
        if self._missing_since is None:
            self._missing_since = now
        patience_s = MARGIN_S if self._had_all else source.session_timeout_s + MARGIN_S
        if now - self._missing_since < patience_s:
            return
        what = (
            f"another member of the consumer group {source.group!r} is running: it has {missing} of the partitions. "
            "With an SQLite store only one process may work for a group"
        )
        if not self._had_all:
            raise UsageError(what, hint=_TO_DO)
        if not self._told:
            self._told = True
            _log.error(
                "%s: nothing is taken until it has gone; %s", what, _TO_DO, event="sole_member.intruder"
            )
