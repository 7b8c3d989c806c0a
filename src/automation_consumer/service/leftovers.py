"""The end of the process: what is closed, for how long, and what is left to die with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from automation_consumer.logs import get_logger
from automation_consumer.pipeline.work import Tally
from automation_consumer.service.build import Service
from automation_consumer.store.journal import Journal

_log = get_logger(__name__)

CLOSE_S: Final = 5.0  # for the clients and the producer, and as long again for the journal


class Leftovers:
    """Closes what can be closed in time, and keeps in mind what could not."""

    def __init__(self) -> None:
        self.acting = False
        """Whether an action of ours may still be at work."""
        self.stuck = False
        """Whether a thread is left behind in something else."""

    def close_service(self, service: Service) -> None:
        """Clients, producer, threads. Blocks for `CLOSE_S` at most."""
        done = bounded("closing the clients and the producer", service.close, CLOSE_S)
        self.stuck |= not done or service.flow.polling

    def close_journal(self, journal: Journal) -> None:
        """Write what is queued and give up the lease. Blocks for `CLOSE_S` at most.

        While an action of ours may be at work the lease is not given up: nobody may take its run before we are dead.
        """
        if self.acting:
            _log.warning(
                "the lease is not given up, because an action is still at work: "
                "others take our runs over when this process is gone and its lease is over",
                event="journal.left",
            )
        else:
            self.stuck |= not bounded("closing the journal", journal.close, CLOSE_S)

    def tell(self, tally: Tally) -> None:
        """Whether the process has to be ended, because a thread would keep it from ending."""
        tally.cut_off = self.acting or self.stuck


def bounded(what: str, call: Callable[[], object], limit_s: float) -> bool:
    """Whether `call` returned within `limit_s` seconds; else it is left behind in its thread, and the log says so.

    Blocks for that long at most. What `call` raises is raised here.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            raised.append(error)

    thread = threading.Thread(target=work, name=what, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        _log.warning("%s took more than %.0f s and is given up", what, limit_s, event="service.left_behind")
        return False
    if raised:
        raise raised[0]
    return True
