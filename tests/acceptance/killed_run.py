"""`automation-consumer run` that kills itself (SIGKILL) at one step of the road.

`python tests/acceptance/killed_run.py CLASS.METHOD before|after NUMBER [ARGUMENT...]`: at the NUMBER-th call of that
method, before it begins or after it has ended. What it was about to return is lost, as in a power cut.
"""

from __future__ import annotations

import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from automation_consumer.cli.main import main
from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.integrations.screwdriver import ScrewdriverClient
from automation_consumer.pipeline import intake
from automation_consumer.pipeline.flow import Flow
from automation_consumer.pipeline.record import Recorder
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.store.postgres import PostgresDatabase
from automation_consumer.store.sql_journal import SqlJournal
from automation_consumer.store.sqlite import SqliteDatabase

CLASSES = {
    each.__name__: each
    for each in (
        Flow,
        KafkaProducer,
        KafkaSource,
        PostgresDatabase,
        Recorder,
        ScrewdriverClient,
        SqliteDatabase,
        SqlJournal,
    )
}


def kill_at(step: str, moment: str, number: int) -> None:
    """Wrap the method, so that its `number`-th call is the last thing that happens."""
    owner, name = CLASSES[step.partition(".")[0]], step.partition(".")[2]
    setattr(owner, name, _wrapped(getattr(owner, name), moment, number))


def _wrapped(method: Callable[..., Any], moment: str, number: int) -> Callable[..., Any]:
    calls = itertools.count(1)  # its next() is atomic: calls may come from several threads

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def waits(*args: Any, **rest: Any) -> Any:
        mine = next(calls) == number
        if mine and moment == "before":
            die()
        result = await method(*args, **rest)
        if mine:
            die()
        return result

    def blocks(*args: Any, **rest: Any) -> Any:
        mine = next(calls) == number
        if mine and moment == "before":
            die()
        result = method(*args, **rest)
        if mine:
            die()
        return result

    return waits if inspect.iscoroutinefunction(method) else blocks


if __name__ == "__main__":
    step, moment, number, *arguments = sys.argv[1:]
    if step == "KafkaSource.commit_sync":
        intake.COMMIT_EVERY_S = 3600.0  # so that the commit at the end is the only one
    kill_at(step, moment, int(number))
    sys.argv = ["automation-consumer", "run", *arguments]
    main()
