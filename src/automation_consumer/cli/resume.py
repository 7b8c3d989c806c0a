"""`resume`: the end of a pause, and what becomes of what it has skipped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from automation_consumer.cli.ask import answers, refused, retry
from automation_consumer.cli.journal import StoreOption, WhoOption, journal, known, operator
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.cli.pause import (
    ActionOption,
    ActionTypeOption,
    ConditionOption,
    scope_of,
    skipped_by,
    with_skipped,
)
from automation_consumer.cli.skipped import skipped, worth_running
from automation_consumer.clock import Clock, SystemClock
from automation_consumer.config.suggest import did_you_mean
from automation_consumer.errors import UsageError
from automation_consumer.model.switch import Request, Scope, Switch
from automation_consumer.service.switchboard import after, as_dict, described, masked, overlap
from automation_consumer.store.journal import JournalReader

SEEN_AFTER_S: Final = (
    2.0  # by then every service knows that the pause is over, and skips nothing more under it
)
_NAMELESS: Final = frozenset({Scope.EVERYTHING, Scope.INTAKE})


def resume(
    pause_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One pause; the beginning of its id is enough.")
    ] = None,
    condition: ConditionOption = None,
    action: ActionOption = None,
    action_type: ActionTypeOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Every pause there is.")] = False,
    run_skipped: Annotated[
        bool,
        typer.Option("--run-skipped", help="Have what was skipped run now, and what would have followed it."),
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="With --run-skipped: how long to wait for answers."
        ),
    ] = 10.0,
    who: WhoOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """End a pause: by its id or by what it covers. Without either: the pause of everything, and that of the intake."""
    scope, name = scope_of(condition, action, action_type)
    if sum((pause_id is not None, scope is not Scope.EVERYTHING, all_)) > 1:
        raise UsageError("an id, a name and --all each say which pauses", hint="give one of them")
    clock = SystemClock()
    where = known(config, store)
    with journal(where.store) as reader:
        there = [masked(switch, where.mask) for switch in reader.switches()]
        holding = [switch for switch in there if switch.holds(clock.now())]
        if pause_id is not None:
            chosen = _by_id(there, pause_id)
        elif all_:
            chosen = there
        else:
            chosen = _by_scope(there, holding, scope, name)
        # One that was resumed before is not there any more, but what it has skipped is.
        if not chosen and not (pause_id and run_skipped and skipped(reader, [pause_id], 0.0)):
            _nothing(holding, output)
            raise typer.Exit(1)
        by = operator(who)
        ended = [switch for switch in chosen if reader.resume(switch.id, by, clock.now())]
        asked: dict[str, tuple[Request, str | None]] = {}
        if run_skipped:
            ids = [switch.id for switch in chosen] or [str(pause_id)]
            since = min((switch.since for switch in chosen), default=0.0)
            asked = _run_skipped(reader, ids, since, by, wait, clock)
        counts = skipped_by(reader, chosen)
    still = [switch for switch in holding if switch not in chosen]
    if output is Output.JSON:
        print_json(
            {
                "resumed": [with_skipped(switch, counts) for switch in ended],
                "still_paused": [as_dict(switch) for switch in still],
                "requests": [
                    {"request": request.id, "run": request.run_id, "answer": answer}
                    for request, answer in asked.values()
                ],
            }
        )
    else:
        _say(ended, still, counts, asked if run_skipped else None)
    if any(answer is not None and refused(answer) for _, answer in asked.values()):
        raise typer.Exit(1)


def _by_id(there: Sequence[Switch], pause_id: str) -> list[Switch]:
    found = [switch for switch in there if switch.id.startswith(pause_id)]
    exact = [switch for switch in found if switch.id == pause_id]
    if len(found) > 1 and not exact:
        raise UsageError(f"more than one pause begins with {pause_id!r}", hint="see `pause --list`")
    return exact or found


def _by_scope(there: Sequence[Switch], holding: Sequence[Switch], scope: Scope, name: str) -> list[Switch]:
    if scope is Scope.EVERYTHING:
        return [switch for switch in there if switch.scope in _NAMELESS]
    found = [switch for switch in there if (switch.scope, switch.name) == (scope, name)]
    names = [switch.name for switch in holding if switch.scope is scope]
    if not found and names:
        what = str(scope).replace("-", " ")
        raise UsageError(f"{what} {name!r} is not paused{did_you_mean(name, names)}")
    return found


def _run_skipped(
    reader: JournalReader, pauses: Sequence[str], since: float, who: str, wait_s: float, clock: Clock
) -> dict[str, tuple[Request, str | None]]:
    """Ask for every run that the pauses have skipped and that nothing has made up for; with the answers, as far as they come."""
    asyncio.run(clock.sleep(SEEN_AFTER_S))
    found = worth_running(reader, skipped(reader, pauses, since))
    requests = [retry(reader, run, who, clock.now()) for run in found]
    for request in requests:
        reader.request(request)
    given = answers(reader, requests, wait_s, clock)
    return {request.id: (request, given.get(request.id)) for request in requests}


def _nothing(holding: Sequence[Switch], output: Output) -> None:
    others = _named(holding)
    print(f"no such pause{f'; paused are: {others}' if others else ': nothing is paused'}", file=sys.stderr)
    if output is Output.JSON:
        print_json({"resumed": [], "still_paused": [as_dict(switch) for switch in holding], "requests": []})


def _named(switches: Sequence[Switch]) -> str:
    return ", ".join(f"{visible(described(switch))} ({switch.id})" for switch in switches)


def _say(
    ended: Sequence[Switch],
    still: Sequence[Switch],
    counts: Any,
    asked: dict[str, tuple[Request, str | None]] | None,
) -> None:
    for switch in ended:
        print(visible(f"resumed: {described(switch)} ({switch.id}), paused by {switch.who}: {switch.why}"))
        others = [other for other in still if overlap(other, switch)]
        if others:
            print(visible(f"  {after(switch, others)}"))
        if counts[switch.id] and asked is None:
            print(f"it has skipped {counts[switch.id]} runs; to run them now:")
            print(f"  automation-consumer resume {switch.id} --run-skipped")
    if still:
        print(f"still paused: {_named(still)}")
    if asked is None:
        return
    if not asked:
        print("no run is left to be made up for")
    for request, answer in asked.values():
        print(visible(f"{request.run_id}: {answer or 'asked for; no service has answered yet'}"))
