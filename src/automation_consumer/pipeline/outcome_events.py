"""What the outcome topic carries: one frozen type per kind of event. Its JSON Schema and its page are made from these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from automation_consumer.clock import iso
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase, Run, RunStatus, run_id
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.pipeline.work import Work

TEXT_LENGTH = 2_000
"""Characters of any text in an event; what is longer is cut, so that every event fits every topic."""

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Mask = Callable[[str], str]


class Place(msgspec.Struct, frozen=True):
    """Where a message was in Kafka."""

    topic: Annotated[str, Meta(description="Its topic.")]
    partition: Annotated[int, Meta(description="Its partition.")]
    offset: Annotated[int, Meta(description="Its offset.")]


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """What every event has."""

    event_id: Annotated[
        str, Meta(description="The same whenever the same thing is told again: drop what you have seen.")
    ]
    version: Annotated[
        Literal[1],
        Meta(description="Of this format. Fields are added to a version, never renamed or taken away."),
    ]
    at: Annotated[Time, Meta(description="When it happened: ISO 8601, UTC, with milliseconds.")]
    message: Annotated[Place, Meta(description="The message that it is about.")]


class RunEvent(Event, frozen=True, tag="run"):
    """A run has ended: one action, once, for one alert (or for the incident). Also one that was decided against."""

    run: Annotated[
        str, Meta(description="Its id; `automation-consumer runs ID` shows its parameters and output.")
    ]
    status: Annotated[RunStatus, Meta(description="How it ended; one of the final states.")]
    check: Annotated[str | None, Meta(description="The safety check that denied it, when it was `skipped`.")]
    reason: Annotated[str, Meta(description="What its action, or the check, says: one line for people.")]
    url: Annotated[str | None, Meta(description="Where to look, when its action knows.")]
    incident: Annotated[str, Meta(description="The id of the incident.")]
    alert: Annotated[str | None, Meta(description="The id of the alert; none when it ran for the incident.")]
    target: Annotated[str, Meta(description="The alert's host, else the incident: what it was done to.")]
    condition: Annotated[str, Meta(description="The name of the condition that asked for it.")]
    phase: Annotated[Phase, Meta(description="The part of the condition that it belongs to.")]
    action: Annotated[str, Meta(description="The name of the action.")]
    action_type: Annotated[str, Meta(description="The type of the action.")]
    attempt: Annotated[int, Meta(description="How many attempts were made.")]
    started_at: Annotated[Time, Meta(description="When its intent was written to the journal.")]
    rule: Annotated[str, Meta(description="`file:line` of the condition.")]
    config_version: Annotated[str, Meta(description="The version of the configuration that it ran under.")]


class ConditionEvent(Event, frozen=True, tag="condition"):
    """A condition took an incident, and is through with it."""

    incident: Annotated[str, Meta(description="The id of the incident.")]
    condition: Annotated[str, Meta(description="The name of the condition.")]
    result: Annotated[ConditionResult, Meta(description="How it went.")]
    alerts: Annotated[int, Meta(description="How many alerts of the incident it handled.")]
    rule: Annotated[str, Meta(description="`file:line` of the condition.")]
    config_version: Annotated[str, Meta(description="The version of the configuration that it ran under.")]


class MessageEvent(Event, frozen=True, tag="message"):
    """A message is poison: it can never become an incident. Sent after its dead letter, if there is a topic for them."""

    result: Annotated[Literal["poison"], Meta(description="What became of it.")]
    reason: Annotated[str, Meta(description="The code, as in the dead letter's `automation.reason`.")]
    detail: Annotated[str, Meta(description="What is wrong with it: one line for people.")]


KINDS: tuple[type[Event], ...] = (RunEvent, ConditionEvent, MessageEvent)


def of_run(run: Run, mask: Mask) -> RunEvent:
    """The event of a run that has ended."""
    check = run.data.get("check") if run.status is RunStatus.SKIPPED else None

    def text(value: str) -> str:
        return bounded(mask(value))

    return RunEvent(
        event_id=f"{run.id}-{run.status}",
        version=1,
        at=iso(run.created_at if run.ended_at is None else run.ended_at),
        message=Place(run.topic, run.partition, run.offset),
        run=run.id,
        status=run.status,
        check=None if check is None else str(check),
        reason=text(run.reason),
        url=None if run.url is None else text(run.url),
        incident=text(run.incident_id),
        alert=None if run.alert_id is None else text(run.alert_id),
        target=text(run.target),
        condition=run.condition,
        phase=run.phase,
        action=run.action,
        action_type=run.action_type,
        attempt=run.attempt,
        started_at=iso(run.created_at),
        rule=run.rule,
        config_version=run.config_version,
    )


def of_condition(
    work: Work, condition: str, result: ConditionResult, at: float, mask: Mask
) -> ConditionEvent:
    """The event of a condition that has gone through for one incident of one message."""
    message, incident = work.taken.message, work.incident.id
    # An operator's retry may end as the first time did, and is news nevertheless.
    request = () if work.retry is None else (work.retry.request.id,)
    return ConditionEvent(
        event_id=f"{run_id(message, 'condition', incident, condition, *request)}-{result}",
        version=1,
        at=iso(at),
        message=_place(message),
        incident=bounded(mask(incident)),
        condition=condition,
        result=result,
        alerts=sum(len(match.alerts) for match in work.matches if match.condition == condition),
        rule=work.ruleset.rule(condition),
        config_version=work.ruleset.config.version,
    )


def of_poison(message: Message, reason: str, detail: str, at: float, mask: Mask) -> MessageEvent:
    """The event of a message that is poison."""
    return MessageEvent(
        event_id=f"{run_id(message, 'message')}-poison",
        version=1,
        at=iso(at),
        message=_place(message),
        result="poison",
        reason=reason,
        detail=bounded(mask(detail)),
    )


def key(event: Event) -> bytes:
    """What keeps the events of one incident on one partition, in their order; of poison, which has none, its place."""
    if isinstance(event, RunEvent | ConditionEvent):
        return event.incident.encode()
    place = event.message
    return f"{place.topic}[{place.partition}]@{place.offset}".encode()


def bounded(text: str) -> str:
    """A text that every JSON parser takes (no lone surrogates), cut."""
    return text[:TEXT_LENGTH].encode("utf-8", "replace").decode()


def _place(message: Message) -> Place:
    return Place(message.topic, message.partition, message.offset)
