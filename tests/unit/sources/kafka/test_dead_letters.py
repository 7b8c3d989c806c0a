"""Dead letters: what came is kept, the context is added, and the broker can take it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.model.message import Headers, Message
from automation_consumer.sources.kafka.dead_letters import (
    CUTS,
    MAX_RECORD_BYTES,
    DeadLetter,
    Failure,
    LetterId,
    Record,
    RequeueMark,
    dead_letter,
    read,
    requeue_mark,
    requeued,
)

AT = 1_769_860_800.0
WHY = Failure("reason", "detail", AT)
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
    record = dead_letter(message(), Failure("not_json", "line 1: unexpected end", AT, "group", "v1"))
    assert dict(record.headers) == {
        "__connect.errors.topic": b"incidents",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"42",
        "__connect.errors.exception.message": b"not_json: line 1: unexpected end",
        "automation.reason": b"not_json",
        "automation.detail": b"line 1: unexpected end",
        "automation.at": b"2026-01-31T12:00:00.000Z",
        "automation.group": b"group",
        "automation.config_version": b"v1",
        "automation.topic": b"incidents",
        "automation.partition": b"3",
        "automation.offset": b"42",
        "automation.timestamp": b"1970-01-01T00:00:00.001Z",
        "automation.headers": b"0",
    }


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=50), HEADERS)
def test_what_came_is_kept_byte_for_byte(value: bytes | None, key: bytes | None, headers: Headers) -> None:
    record = dead_letter(message(value, key, headers), WHY)
    assert (record.value, record.key) == (value, key)
    assert record.headers[: len(headers)] == headers


def test_a_second_failure_keeps_the_first_place_and_tells_the_new_reason() -> None:
    first = dead_letter(message(), Failure("not_json", "first", AT))
    again = Message("incidents.dlq", 0, 7, first.value, first.key, first.headers)
    second = dead_letter(again, Failure("no_id", "second", AT + 60))
    assert header(second, "__connect.errors.topic") == b"incidents"
    assert header(second, "__connect.errors.offset") == b"42"
    assert header(second, "automation.reason") == b"no_id"
    assert header(second, "automation.topic") == b"incidents.dlq"
    assert header(second, "automation.offset") == b"7"
    assert [value for name, value in second.headers if name == "automation.reason"] == [b"not_json", b"no_id"]


def test_a_value_that_no_broker_takes_is_cut() -> None:
    record = dead_letter(message(b"x" * 20_000_000), Failure("too_large", "20 MB", AT))
    assert header(record, "automation.truncated") == b"20000000"
    assert record.value is not None
    assert len(record.value) > 990_000
    assert size(record) <= MAX_RECORD_BYTES


def test_the_detail_is_bounded_and_any_text() -> None:
    record = dead_letter(message(), Failure("bad", "\ud800" + "é" * 10_000, AT))
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
    record = dead_letter(came, WHY, max_bytes=20_000)
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


def as_read(record: Record, offset: int = 8) -> DeadLetter | RequeueMark:
    """A record as it comes back from the dead-letter topic."""
    return read(Message("incidents.dlq", 2, offset, record.value, record.key, record.headers, 9))


OURS = st.sampled_from(
    [
        "automation.reason",
        "automation.headers",
        "automation.requeued",
        "automation.topic",
        "__connect.errors.topic",
    ]
)
ANY_HEADERS = st.lists(
    st.tuples(st.text(max_size=8) | OURS, st.none() | st.binary(max_size=20)), max_size=5
).map(tuple)


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=50), ANY_HEADERS)
def test_a_letter_gives_its_message_back_whatever_that_said(
    value: bytes | None, key: bytes | None, headers: Headers
) -> None:
    """Red when the message's own headers are told from ours by their names."""
    letter = as_read(dead_letter(message(value, key, headers), Failure("why", "so", AT, "g", "v")))
    assert isinstance(letter, DeadLetter)
    assert (letter.value, letter.key, letter.headers) == (value, key, headers)
    assert (letter.reason, letter.detail, letter.group, letter.config_version) == ("why", "so", "g", "v")
    assert letter.place == "incidents[3]@42"
    assert (letter.at, letter.timestamp) == ("2026-01-31T12:00:00.000Z", "1970-01-01T00:00:00.001Z")
    assert (letter.id, letter.cut) == (LetterId(2, 8), ())


@given(st.none() | st.binary(max_size=20), ANY_HEADERS)
def test_whatever_others_wrote_there_can_be_read(value: bytes | None, headers: Headers) -> None:
    read(Message("incidents.dlq", 0, 0, value, None, headers, -1))


def test_a_letter_of_kafka_connect_says_where_it_was() -> None:
    connect = {"topic": b"orders", "partition": b"1", "offset": b"17", "exception.message": b"no schema"}
    headers = (("own", b"1"), *((f"__connect.errors.{name}", value) for name, value in connect.items()))
    letter = read(Message("incidents.dlq", 0, 0, b"v", None, headers, 1_000))
    assert isinstance(letter, DeadLetter)
    assert (letter.place, letter.detail, letter.headers) == ("orders[1]@17", "no schema", (("own", b"1"),))
    assert letter.at == "1970-01-01T00:00:01.000Z"


def test_a_tombstone_that_speaks_of_requeueing_is_a_letter_and_no_mark() -> None:
    """Red when a message could pass for a mark, and so hide another letter."""
    forged = dead_letter(message(None, None, (("automation.requeued", b"2:7"),)), WHY)
    assert isinstance(as_read(forged), DeadLetter)
    older = (("automation.requeued", b"2:7"), ("automation.reason", b"empty"))
    assert isinstance(read(Message("incidents.dlq", 2, 8, None, None, older)), DeadLetter)
    assert as_read(requeue_mark(LetterId(2, 7), AT)) == RequeueMark(
        LetterId(2, 7), "2026-01-31T12:00:00.000Z"
    )


@given(ANY_HEADERS, st.integers(1, 5))
def test_a_requeued_message_is_the_message_and_counts(headers: Headers, times: int) -> None:
    """Red when the context is sent along, or when the marks of an earlier requeue pile up."""
    came = message(headers=headers)
    for count in range(1, times + 1):
        letter = as_read(dead_letter(came, WHY))
        assert isinstance(letter, DeadLetter)
        record = requeued(letter, "incidents.dlq")
        assert record.headers == (
            *headers,
            ("automation.requeued_from", b"incidents.dlq[2]@8"),
            ("automation.requeue_count", str(count).encode()),
        )
        came = message(record.value, record.key, record.headers)


def test_what_was_cut_is_told() -> None:
    letter = as_read(
        dead_letter(message(b"v" * 5000, b"k" * 5000, (("h", b"h" * 5000),)), WHY, max_bytes=4000)
    )
    assert isinstance(letter, DeadLetter)
    assert set(letter.cut) == set(CUTS)
    assert letter.headers == ()


@given(st.integers(0, 10**8), st.integers(0, 10**17))
def test_an_id_is_read_as_it_is_written(partition: int, offset: int) -> None:
    assert LetterId.parse(str(LetterId(partition, offset))) == LetterId(partition, offset)


def test_what_is_no_id_is_refused() -> None:
    assert [
        LetterId.parse(text) for text in ("", "1", "a:b", "-1:2", "1:2:3", "01:2", "1: 2", "\u0661:2")
    ] == [None] * 8
