"""Where a new group begins, as the config states it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.errors import ConfigError
from automation_consumer.sources.kafka.start import StartAt

NOON_MS = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)


def test_the_two_ends_are_those_of_the_protocol() -> None:
    assert StartAt.parse("latest").time_ms == -1
    assert StartAt.parse("earliest").time_ms == -2


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31 13:00+01:00", "20260131T120000Z"]
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert StartAt.parse(text).time_ms == NOON_MS


def test_a_day_is_its_midnight() -> None:
    assert StartAt.parse("2026-01-31").time_ms == NOON_MS - 12 * 3_600_000


@pytest.mark.parametrize("text", ["", "Latest", "now", "1700000000", "yesterday", "2026-13-01", "1969-12-31"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"kafka\.start_at"):
        StartAt.parse(text)


@given(st.integers(86_400_000, 253_000_000_000_000))
def test_every_instant_is_kept_to_the_millisecond(time_ms: int) -> None:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    assert StartAt.parse(instant.isoformat()).time_ms == time_ms


@given(st.text())
def test_no_text_gives_another_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert StartAt.parse(text).time_ms >= -2
