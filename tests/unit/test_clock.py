"""How instants are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.clock import iso


@given(st.floats())
def test_every_number_is_shown(number):
    """A row from elsewhere may hold any. Red without the clamp."""
    assert len(iso(number)) == len("2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (-5.0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.25, "2027-01-15T08:00:00.250Z"),
        (1e300, "9998-12-31T23:59:59.000Z"),
    ],
)
def test_the_nearest_that_can_be_shown(number, shown):
    assert iso(number) == shown
