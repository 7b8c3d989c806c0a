"""The client's errors as log lines: the first of a kind at once, then one line a while for all that follow.

While a broker is away, librdkafka reports every attempt to connect: twenty a second.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from confluent_kafka import KafkaError

from automation_consumer.clock import Clock
from automation_consumer.logs import get_logger
from automation_consumer.sources.kafka.failures import ALARMING, hint

log = get_logger(__name__)

INTERVAL_S: Final = 30.0
_TOLD_AS_ERRORS: Final = frozenset({"FAIL", "ERROR"})


class ErrorLog:
    """Event `kafka.error`, at most once in 30 s for each code; `repeated` counts what was left out before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[int, float] = {}
        self._left_out: dict[int, int] = {}

    def tell(self, error: KafkaError) -> None:
        code = error.code()
        now = self._clock.monotonic()
        last = self._told.get(code)
        if last is not None and now - last < INTERVAL_S:
            self._left_out[code] = self._left_out.get(code, 0) + 1
            return
        self._told[code] = now
        log.log(
            logging.ERROR if code in ALARMING else logging.WARNING,
            "%s",
            error.str(),
            event="kafka.error",
            code=error.name(),
            hint=hint(error),
            repeated=self._left_out.pop(code, 0),
        )


class ClientLog:
    """What librdkafka logs by itself, as the event `kafka.client`; without the errors, which `ErrorLog` tells."""

    def log(self, level: int, text: str, facility: str, *rest: Any) -> None:
        """Called by the client, with its own facility (`FAIL`, `SESSTMOUT`, …) as the first argument of the text."""
        if facility not in _TOLD_AS_ERRORS:
            log.log(level, text, facility, *rest, event="kafka.client")
