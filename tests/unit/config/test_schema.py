"""The JSON Schema, the fast path beside it, and the readable form."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from automation_consumer.config.fast_path import fast_path
from automation_consumer.config.match_schema import OPERATORS
from automation_consumer.config.schema import action_schema, condition_schema, full_schema
from automation_consumer.config.schema_form import readable
from automation_consumer.config.settings import CommonOptions, Condition, TopLevel
from automation_consumer.errors import PluginError
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS
from automation_consumer.plugin import Duration, Effect, Outcome, Params, Registry, ShortAction

VALID = {
    "version": 1,
    "x-anything": {"a": [1]},
    "kafka": {"topics": ["t"], "session.timeout.ms": 6000, "enable.auto.commit": False},
    "connections": {"slack": {"url": "x"}},
    "vars": {"team": "data"},
    "actions": [
        {"name": "a", "type": "screwdriver", "pipeline_id": 1, "job_name": "j", "timeout": "5m"},
        {"name": "b", "type": "script", "command": "x", "targets": [{"host": "h"}], "mode": [{"port": 1}]},
    ],
    "incident_conditions": [
        {
            "name": "c",
            "match": {
                "status": "critical",
                "severity": ["critical", 1, True],
                "tags.a.b": {"regex": "^x", "exists": True},
                "started_at": {"older_than": "5m", "younger_than": 3600},
                "any": [{"tags.team": "data"}, {"not": {"all": [{"alert_count": {"gte": 2}}]}}],
            },
            "alerts": {"host": {"glob": "web*"}},
            "alert_actions": ["a"],
            "rerun": "after:5m",
            "continue": True,
        }
    ],
}


@pytest.fixture(scope="module")
def full(registry):
    return Draft202012Validator(full_schema(registry))


def test_the_schema_is_a_schema_and_plain_json(registry):
    schema = full_schema(registry)
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_it_accepts_a_configuration(full):
    assert [error.message for error in full.iter_errors(VALID)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("y-anything",), 1),
        (("actions", 0, "pipeline_id"), "1"),
        (("actions", 0, "type"), "script"),
        (("actions", 0, "unknown"), 1),
        (("actions", 0, "timeout"), "soon"),
        (("actions", 1, "targets", 0, "hst"), "x"),
        (("actions", 1, "mode"), 5),
        (("incident_conditions", 0, "match", "sevrity"), "x"),
        (("incident_conditions", 0, "match", "tags."), "x"),
        (("incident_conditions", 0, "match", "severity"), []),
        (("incident_conditions", 0, "match", "severity"), None),
        (("incident_conditions", 0, "match", "tags.a.b", "regexp"), "x"),
        (("incident_conditions", 0, "match", "any", 1, "not", "nope"), "x"),
        (("incident_conditions", 0, "alerts", "title"), "x"),
        (("incident_conditions", 0, "max_concurrent_alerts"), 0),
    ],
)
def test_it_refuses(full, path, value):
    data = copy.deepcopy(VALID)
    *parents, last = path
    target = data
    for step in parents:
        target = target[step]
    target[last] = value
    assert not full.is_valid(data)


def test_every_field_and_operator_has_its_property():
    definitions = condition_schema()["$defs"]
    assert set(definitions["incident_tree"]["properties"]) == {*INCIDENT_FIELDS, "all", "any", "not"}
    assert set(definitions["alert_tree"]["properties"]) == {*ALERT_FIELDS, "all", "any", "not"}
    assert set(definitions["clause"]["properties"]) == {
        "equals",
        "not_equals",
        "in",
        "not_in",
        "regex",
        "glob",
        "contains",
        "starts_with",
        "ends_with",
        "gt",
        "gte",
        "lt",
        "lte",
        "exists",
        "older_than",
        "younger_than",
    }
    assert all(operator["description"] for operator in OPERATORS.values())


def test_an_editor_sees_descriptions_and_defaults(registry):
    schema = full_schema(registry)
    script = schema["$defs"]["action.script"]["properties"]
    assert script["timeout"]["default"] == 60.0  # the type's own default, not the common one
    assert script["retry_count"]["default"] == 2
    assert script["targets"]["default"] == []
    for properties in (script, schema["properties"], schema["$defs"]["condition"]["properties"]):
        assert all(each.get("description") for each in properties.values())
    assert set(CommonOptions.model_fields) <= set(script)
    assert "continue" in schema["$defs"]["condition"]["properties"]
    assert set(schema["properties"]) == set(TopLevel.model_fields)


def test_a_type_whose_parameters_have_no_schema_is_a_plugin_error():
    class Odd:
        pass

    class Strange(Params):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        odd: Odd = Field(description="Not data.")

    class Action(ShortAction[Strange]):
        """Odd."""

        type = "odd"
        Params = Strange
        effect = Effect.READ

        def run(self, ctx, params):
            return Outcome.success()

    registry = Registry()
    registry.add(Action())
    with pytest.raises(PluginError, match="no JSON Schema"):
        action_schema(registry, "odd")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    again: "Inner | None" = None
    n: int = 0


class Many(BaseModel):
    a: int | None = None
    b: Duration | None = None
    c: str | list[int] | None = None
    d: int | float = 1
    e: Inner | None = None
    f: list[Inner | str] = Field(default_factory=list)
    g: dict[str, int | str | bool] = Field(default_factory=dict)
    title: str = "x"
    h: int | str = Field(3, ge=2)


SCHEMAS = [
    Many.model_json_schema(),
    Condition.model_json_schema(by_alias=True),
    CommonOptions.model_json_schema(),
    TopLevel.model_json_schema(by_alias=True),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.floats(-3, 5)
    | st.sampled_from(["", "x", "5m", "soon", "critical", "never", "fail", "screwdriver"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *"abcdefghn",
                    "again",
                    "title",
                    "name",
                    "type",
                    "match",
                    "status",
                    "tags.x",
                    "any",
                    "not",
                    "equals",
                    "in",
                    "older_than",
                    "timeout",
                    "rerun",
                    "pipeline_id",
                    "job_name",
                    "kafka",
                    "topics",
                    "x-y",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(SCHEMAS), VALUES)
def test_the_readable_form_accepts_the_same(schema, value):
    assert Draft202012Validator(readable(schema)).is_valid(value) == Draft202012Validator(schema).is_valid(
        value
    )


def test_the_readable_form_has_types_instead_of_alternatives():
    properties = readable(Many.model_json_schema())["properties"]
    assert properties["a"]["type"] == ["integer", "null"]
    assert properties["b"]["type"] == ["number", "string", "null"]
    assert properties["d"]["type"] == "number"
    assert properties["title"]["type"] == "string"
    assert "title" not in properties["a"]


@given(data=st.data())
def test_the_fast_path_accepts_nothing_that_the_schema_refuses(data, registry):
    schema = data.draw(
        st.sampled_from(
            [*SCHEMAS, condition_schema(), *(action_schema(registry, name) for name in registry.types())]
        )
    )
    value = data.draw(
        VALUES
        | st.fixed_dictionaries({"name": st.just("a")}, optional={"match": VALUES, "alerts": VALUES})
        | st.fixed_dictionaries(
            {"name": st.just("a"), "type": st.just("script")},
            optional={"command": VALUES, "targets": VALUES, "mode": VALUES, "timeout": VALUES},
        )
    )
    if fast_path(schema)(value):
        assert Draft202012Validator(schema).is_valid(value)


def test_the_fast_path_takes_what_is_usual(registry):
    accepts = fast_path(condition_schema())
    assert all(accepts(condition) for condition in VALID["incident_conditions"])
    for action in VALID["actions"]:
        assert fast_path(action_schema(registry, action["type"]))(action)


def test_the_fast_path_leaves_unknown_keywords_to_the_schema():
    assert not fast_path({"type": "array", "uniqueItems": True})([1])
    assert not fast_path({"oneOf": [{}]})(1)
    assert not fast_path({"const": None})(None)
    assert fast_path({"allOf": [{"minimum": 1}, {"exclusiveMaximum": 3}]})(2)
    assert not fast_path({"allOf": [{"minimum": 1}, False]})(2)
