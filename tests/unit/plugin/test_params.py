"""Durations and the strictness of parameters."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from automation_consumer.plugin import Escape, Params
from automation_consumer.plugin.params import Duration, Escaping, parse_duration

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@given(st.integers(0, 3650), st.sampled_from(sorted(UNITS)))
def test_a_duration_in_any_unit(number, unit):
    assert parse_duration(f"{number}{unit}") == pytest.approx(number * UNITS[unit])


@given(st.one_of(st.integers(0, 315_360_000), st.floats(0, 315_360_000)))
def test_a_number_is_seconds(number):
    assert parse_duration(number) == number


@pytest.mark.parametrize("value", ["", "5", "5 m", "m", "-5s", "5x", "1h30m", -1, -0.5, True, None, [5], {}])
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@pytest.mark.parametrize(
    "value", ["3651d", "99999999d", f"{'9' * 400}d", 315_360_001, 10**400, float("inf"), float("nan")]
)
def test_more_than_ten_years_is_refused(value):
    """Such a time added to now is no date any more. Red without `_bounded`."""
    with pytest.raises(ValueError, match="longer than ten years"):
        parse_duration(value)
    assert parse_duration("3650d") == 315_360_000


class Some(Params):
    wait: Duration = Field(5.0, description="A time.")
    url: Annotated[str, Escape("url")] = Field("", description="An address.")
    plain: int = Field(1, description="A number.")


def test_unknown_fields_and_other_types_are_refused():
    assert Some(wait="2m").wait == 120
    for wrong in ({"nobody": 1}, {"plain": "1"}, {"plain": True}, {"url": 5}):
        with pytest.raises(ValidationError):
            Some(**wrong)


def test_parameters_are_frozen():
    with pytest.raises(ValidationError):
        Some().plain = 2  # type: ignore[misc]


def test_how_a_field_is_escaped():
    assert Some.escaping("url") is Escaping.URL
    assert Some.escaping("plain") is Escaping.NONE
    assert Some.escaping("nobody") is Escaping.NONE
    with pytest.raises(ValueError):
        Escape("rot13")
