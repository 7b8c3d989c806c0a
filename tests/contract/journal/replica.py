"""A process with a journal, for tests that stop or kill it: `python replica.py URL LEASE_S`, then commands on stdin."""

from __future__ import annotations

import asyncio
import sys

from tests.contract.journal.samples import a_message, a_run

from automation_consumer.clock import SystemClock
from automation_consumer.errors import FencedError
from automation_consumer.model.run import RunStatus
from automation_consumer.store.open import open_journal


def say(answer: object) -> None:
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


async def main(url: str, lease_s: float) -> None:
    journal = open_journal(url, SystemClock(), name="replica", lease_s=lease_s)
    running = await journal.open(a_run("running"), a_message())
    waiting = await journal.open(a_run("waiting"), a_message())
    await journal.change(waiting, RunStatus.WAITING, 1.0, handle={"id": "7"})
    say(journal.process)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.strip():
            case "may act":
                say(journal.may_act())
            case "end waiting" | "end running" as order:
                run = waiting if order == "end waiting" else running
                try:
                    say(await journal.change(run, RunStatus.SUCCEEDED, 2.0, ended_at=2.0))
                except FencedError:
                    say("fenced")
            case "close":
                journal.close()
                return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
