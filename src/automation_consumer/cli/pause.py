"""`pause`: the kill switch."""

from __future__ import annotations

import sys
from datetime import datetime
from secrets import token_hex
from typing import Annotated, Any

import typer

from automation_consumer.cli.journal import Known, StoreOption, WhoOption, journal, known, operator
from automation_consumer.cli.options import ConfigOption, Output, OutputOption, print_json, visible
from automation_consumer.cli.skipped import count, skipped
from automation_consumer.clock import SystemClock, iso
from automation_consumer.config.suggest import did_you_mean
from automation_consumer.errors import UsageError
from automation_consumer.model.switch import Scope, Switch
from automation_consumer.plugin.params import MAX_DURATION_S, parse_duration
from automation_consumer.service.switchboard import as_dict, described, masked
from automation_consumer.store.journal import JournalReader

ConditionOption = Annotated[
    str | None, typer.Option("--condition", metavar="NAME", help="Only what this condition does.")
]
ActionOption = Annotated[
    str | None, typer.Option("--action", metavar="NAME", help="Only this action, in all conditions.")
]
ActionTypeOption = Annotated[
    str | None, typer.Option("--action-type", metavar="TYPE", help="Only actions of this type.")
]


def pause(
    condition: ConditionOption = None,
    action: ActionOption = None,
    action_type: ActionTypeOption = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; whoever finds it paused reads this.")
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="It ends by itself after 30m, 2h, 1d.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="It ends by itself then: 2026-01-31T08:00:00Z."),
    ] = None,
    who: WhoOption = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the pauses, and set none.")] = False,
    config: ConfigOption = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """The kill switch: goes on reading and recording, and acts on nothing it covers. Without a name: on nothing at all.

    Every replica sees it within two seconds. Actions that act at that moment, and jobs that run elsewhere, are not
    stopped: see `runs cancel`.
    """
    if list_:
        where = known(config, store)
        with journal(where.store) as reader:
            _list(reader, where, output)
        return
    if reason is None or not reason.strip():
        raise UsageError(
            "a pause needs a reason", hint='say why, as in --reason "the new playbook is broken"'
        )
    now = SystemClock().now()
    scope, name = scope_of(condition, action, action_type)
    end = _end(for_, until, now)
    where = known(config, store)
    _check(where, scope, name)
    switch = Switch(f"p{token_hex(4)}", scope, name, operator(who), reason.strip(), now, end)
    switch = masked(switch, where.mask)
    with journal(where.store) as reader:
        reader.pause(switch)
    if output is Output.JSON:
        print_json(as_dict(switch))
        return
    print(f"paused: {_line(switch, now)}")
    print("running services see it within two seconds; what acts at this moment is not stopped")
    print(f"to resume: automation-consumer resume {switch.id}")


def scope_of(condition: str | None, action: str | None, action_type: str | None) -> tuple[Scope, str]:
    """What the options name. UsageError when they name more than one thing."""
    given = [
        (scope, name)
        for scope, name in (
            (Scope.CONDITION, condition),
            (Scope.ACTION, action),
            (Scope.ACTION_TYPE, action_type),
        )
        if name is not None
    ]
    if len(given) > 1:
        raise UsageError(
            "a pause covers one condition, one action, one action type, or everything",
            hint="set one pause after the other",
        )
    return given[0] if given else (Scope.EVERYTHING, "")


def _check(where: Known, scope: Scope, name: str) -> None:
    if scope is Scope.EVERYTHING or where.names is None or name in where.names[scope]:
        return
    what = str(scope).replace("-", " ")
    raise UsageError(f"the configuration has no {what} {name!r}{did_you_mean(name, where.names[scope])}")


def _end(for_: str | None, until: str | None, now: float) -> float | None:
    if for_ is not None and until is not None:
        raise UsageError("--for and --until say the same thing twice", hint="give one of them")
    if for_ is not None:
        try:
            end = now + parse_duration(for_)
        except ValueError as error:
            raise UsageError(f"--for: {error}") from error
    elif until is not None:
        end = _instant(until)
    else:
        return None
    if end - now > MAX_DURATION_S:
        raise UsageError(
            "--until: a pause cannot last longer than ten years",
            hint="without an end it holds until `resume`",
        )
    if end <= now:
        raise UsageError(f"the pause would be over already (it ends at {iso(end)}, it is {iso(now)})")
    return end


def _instant(text: str) -> float:
    hint = "write it as 2026-01-31T08:00:00Z or 2026-01-31T09:00+01:00, or use --for"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--until: {text!r} is not a time", hint=hint) from error
    if moment.tzinfo is None:
        raise UsageError(f"--until: {text!r} does not say its time zone", hint=hint)
    return moment.timestamp()


def _list(reader: JournalReader, where: Known, output: Output) -> None:
    now = SystemClock().now()
    switches = holding(reader, where, now)
    counts = skipped_by(reader, switches)
    if output is Output.JSON:
        print_json([with_skipped(switch, counts) for switch in switches])
        return
    if not switches:
        print("nothing is paused", file=sys.stderr)
    for switch in switches:
        print(f"{switch.id}  {_line(switch, now)}; {counts[switch.id]} runs skipped")


def holding(reader: JournalReader, where: Known, now: float) -> list[Switch]:
    """The pauses that hold, as they may be shown."""
    return [masked(switch, where.mask) for switch in reader.switches() if switch.holds(now)]


def skipped_by(reader: JournalReader, switches: list[Switch]) -> Any:
    """How many runs each of the pauses has skipped, by id."""
    if not switches:
        return count(())
    since = min(switch.since for switch in switches)
    return count(skipped(reader, [switch.id for switch in switches], since))


def with_skipped(switch: Switch, counts: Any) -> dict[str, Any]:
    """A pause as JSON output shows it, with the number of runs that it has skipped."""
    return {**as_dict(switch), "runs_skipped": counts[switch.id]}


def _left(seconds: float) -> str:
    """How long it still holds, in the unit that fits."""
    if seconds < 120:
        return f"{seconds:.0f} more seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} more minutes"
    return f"{seconds / 3600:.0f} more hours" if seconds < 172_800 else f"{seconds / 86_400:.0f} more days"


def _line(switch: Switch, now: float) -> str:
    until = "until somebody resumes it"
    if switch.until is not None:
        until = f"until {iso(switch.until)} (for {_left(switch.until - now)})"
    return visible(f"{described(switch)}, by {switch.who} since {iso(switch.since)} {until}: {switch.why}")
