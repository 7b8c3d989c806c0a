"""`automation-consumer` in a world that can be bent from outside: its wall clock jumps, its name server goes away, it
freezes at the worst moment.

`python tests/chaos/launch.py LEVERS ARGUMENT...`; LEVERS is a file of three doubles: how far the clock is off in seconds;
not 0 when names fail to resolve; a `Moment` at which the process is to stop itself (SIGSTOP), once. The process sees a
change at once, and sets the last one back itself.
"""

from __future__ import annotations

import mmap
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

from automation_consumer.cli.main import main
from automation_consumer.integrations.screwdriver import ScrewdriverClient
from automation_consumer.store.sql_journal import SqlJournal

SIZE = 24
FREEZE = 16  # where that lever is
HOST = "target.test"  # resolves to this machine, while names resolve


class Moment(IntEnum):
    """Of the start of a job."""

    NEVER = 0
    BEFORE_LAST_LOOK = 1  # before the look at the lease
    AFTER_LAST_LOOK = 2  # before the call


class Levers:
    """The other end, in the hands of a scenario."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set()

    def set(self, clock_off_s: float = 0.0, names_fail: bool = False, freeze: Moment = Moment.NEVER) -> None:
        data = struct.pack("=ddd", clock_off_s, float(names_fail), float(freeze))
        if self.path.exists():
            with self.path.open("r+b") as file:  # in place: processes have it mapped
                file.write(data)
        else:
            self.path.write_bytes(data)


def _bend(path: str) -> None:
    with open(path, "r+b") as file:
        levers = mmap.mmap(file.fileno(), SIZE)
    real_time, real_resolve = time.time, socket.getaddrinfo
    real_create, real_look = ScrewdriverClient.create_event, SqlJournal.may_act

    def bent_time() -> float:
        off: float = struct.unpack_from("=d", levers, 0)[0]
        return real_time() + off

    def bent_resolve(host: Any, *rest: Any, **named: Any) -> Any:
        if host != HOST:
            return real_resolve(host, *rest, **named)
        if struct.unpack_from("=d", levers, 8)[0]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real_resolve("127.0.0.1", *rest, **named)

    def freeze_at(moment: Moment) -> None:
        if struct.unpack_from("=d", levers, FREEZE)[0] == moment:
            struct.pack_into("=d", levers, FREEZE, Moment.NEVER)
            # To this thread: one for the process may be taken by another thread, while this one goes on for a moment.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    def bent_create(*given: Any, **named: Any) -> Any:
        freeze_at(Moment.AFTER_LAST_LOOK)
        return real_create(*given, **named)

    def bent_look(journal: SqlJournal) -> bool:
        freeze_at(Moment.BEFORE_LAST_LOOK)
        return real_look(journal)

    _put(ScrewdriverClient, "create_event", bent_create)
    _put(SqlJournal, "may_act", bent_look)
    _put(time, "time", bent_time)
    _put(socket, "getaddrinfo", bent_resolve)


def _put(module: Any, name: str, function: Callable[..., Any]) -> None:
    setattr(module, name, function)


if __name__ == "__main__":
    _bend(sys.argv[1])
    sys.argv = ["automation-consumer", *sys.argv[2:]]
    main()
