"""Dead letters: what came is kept, the context is added, and the broker can take it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.model.message import Headers, Message
from automation_consumer.sources.kafka.dead_letters import MAX_RECORD_BYTES, Record, dead_letter

AT = 1_769_860_800.0
HEADERS = st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=20)), max_size=5).map(tuple)


def message(value: bytes | None = b"{", key: bytes | None = b"k", headers: Headers = ()) -> Message:
    return Message("incidents", 3, 42, value, key, headers, 1)


def header(record: Record, name: str) -> bytes | None:
    """The last header of that name, as consumers read it."""
    return dict(record.headers).get(name)


def size(record: Record) -> int:
    headers = sum(len(name.encode("utf-8", "replace")) + len(value or b"") for name, value in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers


def test_the_context_says_where_it_was_and_why() -> None:
    record = dead_letter(message(), "not_json", "line 1: unexpected end", AT)
    assert dict(record.headers) == {
        "__connect.errors.topic": b"incidents",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"42",
        "__connect.errors.exception.message": b"not_json: line 1: unexpected end",
        "automation.reason": b"not_json",
        "automation.detail": b"line 1: unexpected end",
        "automation.at": b"2026-01-31T12:00:00.000Z",
    }


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=50), HEADERS)
def test_what_came_is_kept_byte_for_byte(value: bytes | None, key: bytes | None, headers: Headers) -> None:
    record = dead_letter(message(value, key, headers), "reason", "detail", AT)
    assert (record.value, record.key) == (value, key)
    assert record.headers[: len(headers)] == headers


def test_a_second_failure_keeps_the_first_place_and_tells_the_new_reason() -> None:
    first = dead_letter(message(), "not_json", "first", AT)
    again = Message("incidents.dlq", 0, 7, first.value, first.key, first.headers)
    second = dead_letter(again, "no_id", "second", AT + 60)
    assert header(second, "__connect.errors.topic") == b"incidents"
    assert header(second, "__connect.errors.offset") == b"42"
    assert header(second, "automation.reason") == b"no_id"
    assert [value for name, value in second.headers if name == "automation.reason"] == [b"not_json", b"no_id"]


def test_a_value_that_no_broker_takes_is_cut() -> None:
    record = dead_letter(message(b"x" * 20_000_000), "too_large", "20 MB", AT)
    assert header(record, "automation.truncated") == b"20000000"
    assert record.value is not None
    assert len(record.value) > 990_000
    assert size(record) <= MAX_RECORD_BYTES


def test_the_detail_is_bounded_and_any_text() -> None:
    record = dead_letter(message(), "bad", "\ud800" + "é" * 10_000, AT)
    detail = header(record, "automation.detail")
    assert detail is not None
    assert detail.startswith(b"\\ud800")
    assert len(detail) < 10_000


@given(
    st.integers(0, 30_000), st.none() | st.integers(0, 30_000), st.lists(st.integers(0, 10_000), max_size=4)
)
def test_it_always_fits(value: int, key: int | None, headers: list[int]) -> None:
    given_headers = tuple((f"h{n}", b"h" * length) for n, length in enumerate(headers))
    came = message(b"v" * value, None if key is None else b"k" * key, given_headers)
    record = dead_letter(came, "reason", "detail", AT, max_bytes=20_000)
    assert size(record) <= 20_000
    if size(record) < 10_000:
        assert record.value == came.value
    for mark, kept, original in (
        ("automation.truncated", record.value, came.value),
        ("automation.key_truncated", record.key, came.key),
    ):
        told = header(record, mark)
        assert (told is None) == (kept == original)
        if told is not None:
            assert int(told) == len(original or b"")
    dropped = header(record, "automation.headers_dropped")
    assert (dropped is None) == (record.headers[: len(given_headers)] == given_headers)
