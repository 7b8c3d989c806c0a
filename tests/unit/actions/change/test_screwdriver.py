"""The fields of the `screwdriver` action, and values as texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from automation_consumer.actions.change.screwdriver import Screwdriver, ScrewdriverParams
from automation_consumer.actions.change.screwdriver_parameters import text
from automation_consumer.plugin.registry import check_contract

REQUIRED: dict[str, Any] = {"pipeline_id": 1, "job_name": "fix"}


def test_it_keeps_the_contract() -> None:
    check_contract(Screwdriver(), "screwdriver")


def test_defaults() -> None:
    params = ScrewdriverParams.model_validate(REQUIRED)
    assert params.model_dump() == {
        **REQUIRED,
        "auth_secret": None,
        "alert_parameters": [],
        "alert_tag_parameters": [],
        "extra_parameters": {},
        "polling_interval": 30.0,
        "polling_timeout": 600.0,
    }


@pytest.mark.parametrize(
    ("given_fields", "says"),
    [
        ({"alert_parameters": ["hots"]}, "did you mean 'host'"),
        ({"alert_parameters": ["oozie_pipeline"]}, "alert_tag_parameters"),
        ({"alert_parameters": ["host"], "alert_tag_parameters": ["host"]}, "named twice: host"),
        ({"alert_tag_parameters": ["x"], "extra_parameters": {"x": 1}}, "named twice: x"),
        ({"pipeline_id": "1"}, "valid integer"),
        ({"pipeline_id": 0}, "greater than or equal"),
        ({"job_name": ""}, "at least 1"),
        ({"extra_parameters": {"x": [1]}}, "extra_parameters"),
        ({"polling": 3}, "polling"),
    ],
)
def test_mistakes(given_fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ScrewdriverParams.model_validate({**REQUIRED, **given_fields})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_becomes_a_text_that_every_store_takes(value: Any) -> None:
    found = text(value)
    assert "\0" not in found
    found.encode()
    if not isinstance(value, str):
        assert isinstance(json.loads(found), type(value))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_text_stays_as_it_is(value: str) -> None:
    assert text(value) == value
