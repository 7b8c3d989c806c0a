"""What every run of this process shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automation_consumer.clock import Clock
from automation_consumer.metrics import Metrics
from automation_consumer.pipeline.dispatch import Dispatcher
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.locks import Locks
from automation_consumer.pipeline.pauses import Pauses
from automation_consumer.pipeline.record import Recorder
from automation_consumer.pipeline.work import Tally
from automation_consumer.plugin.context import Clients
from automation_consumer.store.journal import Journal


@dataclass(frozen=True)
class Engine:
    """The parts that runs use, made once by the composition root."""

    clock: Clock
    recorder: Recorder
    dispatcher: Dispatcher
    gate: Gate
    locks: Locks
    pauses: Pauses
    clients: Clients
    secret: Callable[[str], str]
    metrics: Metrics
    tally: Tally
    journal: Journal
    dry_run: bool = False
