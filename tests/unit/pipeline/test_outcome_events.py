"""The events themselves: what may stand in them, and that the schema knows all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from msgspec import json
from tests.unit.pipeline.test_announce import a_run, work

from automation_consumer.cli.reference.outcomes import outcome_schema
from automation_consumer.model.message import Message
from automation_consumer.model.run import ENDED, Phase, RunStatus
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.pipeline.outcome_events import (
    KINDS,
    TEXT_LENGTH,
    key,
    of_condition,
    of_poison,
    of_run,
)

SCHEMA = Draft202012Validator(outcome_schema())
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
MESSAGE = Message("incidents", 1, 7, b"", timestamp_ms=5)


def sent(event) -> dict:
    """The event as its readers get it; one that the schema allows, and not too large for any topic."""
    raw = json.encode(event)
    assert len(raw) + len(key(event)) < 100_000
    found = json.decode(raw)
    SCHEMA.validate(found)
    return found


@given(
    st.sampled_from(sorted(ENDED - {RunStatus.PREVIEWED})),
    st.sampled_from(Phase),
    ANY_TEXT,
    ANY_TEXT | st.none(),
    st.none() | st.floats(0, 4e9),
)
def test_every_run_is_an_event_that_the_schema_allows(status, phase, text, maybe, at):
    """Red without `bounded` (lone surrogates), or with a status, a phase or a null that the schema does not know."""
    run = a_run(
        status=status,
        phase=phase,
        incident_id=text,
        alert_id=maybe,
        reason=text,
        url=maybe,
        target=text,
        ended_at=at,
        data={"check": text},
    )
    event = sent(of_run(run, str))
    assert event["event_id"] == f"r1-{status}"
    assert (event["check"] is None) is (status is not RunStatus.SKIPPED)


@given(st.sampled_from(ConditionResult), ANY_TEXT)
def test_every_condition_is_an_event_that_the_schema_allows(result, incident):
    event = sent(of_condition(work(incident), "test", result, 0.0, str))
    assert (event["kind"], event["result"]) == ("condition", result)


@given(ANY_TEXT)
def test_all_poison_is_an_event_that_the_schema_allows(detail):
    event = sent(of_poison(MESSAGE, "not-json", detail, 0.0, str))
    assert (event["kind"], event["reason"]) == ("message", "not-json")


def test_what_is_long_is_cut():
    """Red without the cut in `bounded`: such an event would be refused, and tried for ever."""
    long = "\N{PILE OF POO}" * 1_000_000
    event = sent(of_run(a_run(status=RunStatus.FAILED, incident_id=long, reason=long, url=long), str))
    assert len(event["reason"]) == TEXT_LENGTH


def test_ids_tell_messages_and_results_apart_and_are_the_same_for_the_same():
    one = of_condition(work(), "test", ConditionResult.FAILED, 1.0, str)
    same = of_condition(work(), "test", ConditionResult.FAILED, 2.0, str)
    other = of_condition(work(), "test", ConditionResult.HELD, 1.0, str)
    poison = of_poison(MESSAGE, "not-json", "", 1.0, str)
    assert one.event_id == same.event_id
    assert len({one.event_id, other.event_id, poison.event_id}) == 3


@pytest.mark.parametrize(
    "change", [{"kind": "else"}, {"status": "running"}, {"version": 2}, {"at": 5}, {"message": {}}]
)
def test_the_schema_refuses_what_is_none(change):
    """Red when the schema says yes to everything."""
    event = sent(of_run(a_run(status=RunStatus.FAILED), str))
    with pytest.raises(ValidationError):
        SCHEMA.validate({**event, **change})


def test_the_schema_is_sound_and_describes_every_field():
    Draft202012Validator.check_schema(outcome_schema())
    definitions = outcome_schema()["$defs"]
    for kind in KINDS:
        for name, field in definitions[kind.__name__]["properties"].items():
            assert field.get("description"), name
