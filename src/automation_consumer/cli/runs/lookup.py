"""Finds the run that an operator means."""

from __future__ import annotations

from typing import Final

from automation_consumer.errors import UsageError
from automation_consumer.model.run import Run
from automation_consumer.store.journal import JournalReader

_SHOWN: Final = 5


def find_run(reader: JournalReader, run_id: str) -> Run:
    """The run of that id, or the only one whose id begins with it. UsageError says which of both it is not."""
    run = reader.run(run_id)
    if run is not None:
        return run
    ids = reader.beginning(run_id, _SHOWN + 1)
    if not ids:
        raise UsageError(f"there is no run {run_id!r} in the journal", hint="see `runs list`")
    more = ", …" if len(ids) > _SHOWN else ""
    raise UsageError(
        f"more than one run begins with {run_id!r}: {', '.join(ids[:_SHOWN])}{more}",
        hint="give more of its id",
    )
