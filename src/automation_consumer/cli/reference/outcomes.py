"""The page of the outcome topic and its JSON Schema, from the types of the events."""

from __future__ import annotations

import inspect
import json
from typing import Any, Final

import msgspec

from automation_consumer.cli.reference.fields import kind
from automation_consumer.cli.reference.markdown import block, code, page, table
from automation_consumer.config.schema_form import readable
from automation_consumer.model.run import ENDED, Phase, RunStatus
from automation_consumer.pipeline.handle import ConditionResult
from automation_consumer.pipeline.outcome_events import (
    KINDS,
    TEXT_LENGTH,
    ConditionEvent,
    Event,
    MessageEvent,
    Place,
    RunEvent,
)

SCHEMA_FILE: Final = "outcome-event.schema.json"
_INTRO: Final = f"""
With `kafka.outcome_topic` every decision and outcome is told there as one JSON document: each run that has ended (also
those that a safety check denied), how each condition went for each incident that it took, and each message that is
poison. Their [JSON Schema]({SCHEMA_FILE}) is written in draft 2020-12; the field `kind` says which event one is.
"""
_DELIVERY: Final = f"""
**At least once.** What has ended is noted as not yet told in the same write of the journal that ends it, and is told
until Kafka has confirmed it: after a crash, after a time without a broker, and by another replica when the process is
gone. How a condition went, and that a message is poison, is delivered before the offset of the message moves; after a
crash the message comes again and so does the event. While the topic takes nothing, such messages stay unfinished, and
the intake pauses when `limits.max_in_flight_incidents` of them are; runs go on, and their events wait in the journal.

**Told twice.** An event may come more than once, always with the same `event_id`: keep the ids that you have seen for
as long as a delivery may be late. `at` may differ in a repeated `condition` or `message`.

**A second end.** When runs are done again on demand (`runs retry`, `resume --run-skipped`), their condition ends once
more and has one more event, with an `event_id` of its own: of several for the same message, incident and condition the
one with the latest `at` counts.

**Order.** The key is the incident's id, so the events of one incident are on one partition, and they are sent in the
order of what happened: the runs first, then their condition. Where the order matters after an outage, compare `at`: an
event whose first delivery failed may come behind a later one. Poison has no incident; its key is the message's place.

**Contents.** Secrets are masked, as everywhere. Parameters, output and data of a run are not in its event: look them up
by its id (`automation-consumer runs ID`). A text longer than {TEXT_LENGTH} characters is cut. Fields may be added;
within a `version` none is renamed or taken away, so ignore what you do not know. A dry run tells nothing.

Two metrics watch it: `automation_outcome_events_total` and `automation_outcome_failures_total`. The words in `status`,
`phase`, `result`, `check` and `reason` stand in [codes and states](codes.md).
"""
_PLACE: Final = Place("incidents", 3, 4711)
_EXAMPLES: Final[tuple[Event, ...]] = (
    RunEvent(
        event_id="r4be4a4aeb5a26bbf0c9a-succeeded",
        version=1,
        at="2026-03-02T08:15:42.120Z",
        message=_PLACE,
        run="r4be4a4aeb5a26bbf0c9a",
        status=RunStatus.SUCCEEDED,
        check=None,
        reason="SUCCESS in 41 s",
        url="https://cd.example/builds/81",
        incident="INC-1",
        alert="INC-1-a1",
        target="grid7.example",
        condition="oozie_failures",
        phase=Phase.ALERT,
        action="rerun_coordinator",
        action_type="screwdriver",
        attempt=1,
        started_at="2026-03-02T08:15:01.004Z",
        rule="config.yaml:40",
        config_version="5f0c2a91d3e7",
    ),
    ConditionEvent(
        event_id="r90f1c7a3a95b6d2c7e10-succeeded",
        version=1,
        at="2026-03-02T08:15:42.131Z",
        message=_PLACE,
        incident="INC-1",
        condition="oozie_failures",
        result=ConditionResult.SUCCEEDED,
        alerts=1,
        rule="config.yaml:40",
        config_version="5f0c2a91d3e7",
    ),
    MessageEvent(
        event_id="r0d4c35be9f87a1b26cfe-poison",
        version=1,
        at="2026-03-02T08:15:43.020Z",
        message=Place("incidents", 3, 4712),
        result="poison",
        reason="not-json",
        detail="unexpected end of data at byte 17",
    ),
)


def outcomes() -> str:
    """The page."""
    parts = []
    for example in _EXAMPLES:
        type_ = type(example)
        shown = msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
        parts += [
            f"## `{type_.__struct_config__.tag}`",
            inspect.getdoc(type_) or "",
            _fields(type_),
            block("json", shown),
        ]
    return page("Outcome events", _INTRO, "## What you may rely on", _DELIVERY, *parts)


def _fields(type_: type[Event]) -> str:
    schema = readable({**_definitions()[type_.__name__], "$defs": _definitions()})
    rows = []
    for name, field in schema["properties"].items():
        nothing = " or `null`" if "null" in field.get("type", ()) else ""
        parts = field.get("properties", {})
        what = ", ".join(map(code, parts)) if parts else kind(field)
        rows.append((code(name), what + nothing, field["description"]))
    return table(("field", "what", "meaning"), rows)


def outcome_schema() -> dict[str, Any]:
    """The JSON Schema of every event."""
    definitions = _definitions()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Outcome event",
        "description": "One event of automation-consumer's outcome topic.",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in KINDS],
        "$defs": definitions,
    }


def outcome_schema_file() -> str:
    """The same as a file."""
    return json.dumps(outcome_schema(), indent=2, ensure_ascii=False) + "\n"


def _definitions() -> dict[str, Any]:
    definitions = msgspec.json.schema_components(KINDS, ref_template="#/$defs/{name}")[1]
    for definition in definitions.values():
        definition.pop("title")
        fields = definition.get("properties", {})
        if "kind" in fields:
            fields["kind"]["description"] = "Which event it is."
    # Only what has ended is told, and a dry run tells nothing.
    definitions["RunStatus"] = {
        "description": "The final states of a run.",
        "enum": sorted(ENDED - {RunStatus.PREVIEWED}),
    }
    return definitions
