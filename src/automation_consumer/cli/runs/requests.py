"""`runs retry` and `runs cancel`: asking the running service for something about one run."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from automation_consumer.cli.ask import answers, begun, cancel, refused, retry
from automation_consumer.cli.journal import StoreOption, WhoOption, journal, known, operator
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.cli.runs.lookup import find_run
from automation_consumer.clock import SystemClock, iso
from automation_consumer.model.run import Run, RunStatus
from automation_consumer.model.switch import REFUSED, Request
from automation_consumer.store.journal import JournalReader

RunArgument = Annotated[str, typer.Argument(metavar="ID", help="The run; the beginning of its id is enough.")]
WaitOption = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the service's answer."),
]


def retry_run(
    run_id: RunArgument,
    again: Annotated[
        bool, typer.Option("--again", help="Also if it succeeded, or was tried again before.")
    ] = False,
    wait: WaitOption = 10.0,
    who: WhoOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have a run that has ended tried again, and what would have followed it.

    The service does it, under its present configuration and through the same safety checks. Exit code 1: it refused.
    """
    clock = SystemClock()
    with journal(known(config, store).store) as reader:
        run = find_run(reader, run_id)
        no = _why_not(run, again=again)
        if no is not None:
            _refuse(run, no, output)
        request = retry(reader, run, operator(who), clock.now(), again=again)
        before = reader.answer_to(request.id)
        if before is not None:
            _refuse(run, f"it was asked for before ({before}); to do it once more, say --again", output)
        _send(reader, run, request, wait, output)


def cancel_run(
    run_id: RunArgument,
    wait: WaitOption = 10.0,
    who: WhoOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have a run that has not ended cancelled: its remote job is stopped, and it is not tried again.

    Exit code 1: the service refused. A short action that acts at this moment cannot be stopped.
    """
    clock = SystemClock()
    with journal(known(config, store).store) as reader:
        run = find_run(reader, run_id)
        if run.ended:
            at = f" at {iso(run.ended_at)}" if run.ended_at is not None else ""
            _refuse(run, f"it has ended already: {run.status}{at}", output)
        _send(reader, run, cancel(run, operator(who), clock.now()), wait, output)


def _why_not(run: Run, *, again: bool) -> str | None:
    """Why it is not tried again; None when it may be asked for."""
    if not run.ended:
        return f"it has not ended (it is {run.status}); `runs cancel {run.id}` ends it"
    if run.status is RunStatus.PREVIEWED:
        return "it was a dry run: publish the incident to the live service instead"
    if run.status is RunStatus.SUCCEEDED and not again:
        return "it succeeded; to do it once more all the same, say --again"
    return None


def _send(reader: JournalReader, run: Run, request: Request, wait_s: float, output: Output) -> None:
    """Send it, wait, and say what came of it. Exits with 1 when it was refused, with 2 when no service took it up."""
    reader.request(request)
    answer = answers(reader, [request], wait_s, SystemClock()).get(request.id)
    new = begun(reader, request, run.incident_id) if answer is None else None
    if output is Output.JSON:
        print_json({**_document(run, request, answer), "begun": None if new is None else new.id})
    elif answer is not None:
        print(visible(f"{run.id}: {answer}"))
    elif new is not None:
        print(
            f"{run.id}: runs again as {new.id}, which is {new.status}; see: automation-consumer runs {new.id}"
        )
    elif wait_s == 0:
        print(f"{run.id}: asked for ({request.id})")
    if answer is None and new is None and wait_s > 0:
        print(
            f"no service has answered within {wait_s:g} s: is one running? The request ({request.id}) stands, and is "
            f"taken up as soon as one runs; see then: automation-consumer runs --incident {visible(run.incident_id)}",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    if answer is not None and refused(answer):
        raise typer.Exit(1)


def _refuse(run: Run, reason: str, output: Output) -> None:
    if output is Output.JSON:
        print_json({**_document(run, None, f"{REFUSED} {reason}"), "begun": None})
    print(visible(f"run {run.id} ({run.action}): {REFUSED} {reason}"), file=sys.stderr)
    raise typer.Exit(1)


def _document(run: Run, request: Request | None, answer: str | None) -> dict[str, object]:
    return {
        "run": run.id,
        "request": None if request is None else request.id,
        "answer": answer,
        "refused": answer is not None and refused(answer),
    }
