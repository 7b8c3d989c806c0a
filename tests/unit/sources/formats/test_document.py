"""Strict JSON: every reason to refuse a text, and that nothing sound is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automation_consumer.errors import DecodeError
from automation_consumer.sources.formats import Reason
from automation_consumer.sources.formats.document import parse

LIMIT = 5_000_000


def reason_of(raw: bytes | None, limit: int = LIMIT) -> str:
    with pytest.raises(DecodeError) as caught:
        parse(raw, limit)
    assert len(str(caught.value)) < 500
    return caught.value.reason


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        (Reason.EMPTY, None),
        (Reason.EMPTY, b""),
        (Reason.NOT_JSON, b" "),
        (Reason.NOT_JSON, b"hello"),
        (Reason.NOT_JSON, b'{"a": 1'),
        (Reason.NOT_JSON, b'{"a": 1,}'),
        (Reason.NOT_JSON, b'{"a": 1} {"b": 2}'),
        (Reason.NOT_JSON, b"{'a': 1}"),
        (Reason.NOT_JSON, b"\xef\xbb\xbf{}"),
        (Reason.NOT_JSON, b'{"a": "\x01"}'),
        (Reason.NOT_JSON, b'"' + b'\\"' * 10_000),
        (Reason.TOO_DEEP, b"[" * 255 + b"]" * 255),
        (Reason.TOO_DEEP, b"[" * 2000 + b"]" * 2000),
        (Reason.TOO_DEEP, b"[" * 1_000_000),
        (Reason.TOO_DEEP, b'{"a":' * 1_000_000),
        (Reason.TOO_DEEP, b'{"a":' * 300 + b"9007199254740993" + b"}" * 300),
        (Reason.DUPLICATE_KEY, b'{"a":1,"a":1}'),
        (Reason.DUPLICATE_KEY, b'{"a": 1, "b": {"c": [], "c": []}}'),
        (Reason.DUPLICATE_KEY, b'{"a":1,"\\u0061":2}'),
        (Reason.DUPLICATE_KEY, b'{"a\\u0022":1,"a\\"":2}'),
        (Reason.DUPLICATE_KEY, b'{"x":"\\u0022\\u0022","a":1,"a":2}'),
        (Reason.DUPLICATE_KEY, b'{"k":1e2,"k":1e2,"k ":1}'),
        (Reason.DUPLICATE_KEY, b'{"a":9007199254740993,"a":1}'),
        (Reason.NUL_CHARACTER, b'{"a":"\\u0000"}'),
        (Reason.NUL_CHARACTER, b'{"\\u0000":1}'),
        (Reason.NUL_CHARACTER, b'{"a":"\\\\\\u0000"}'),
        (Reason.NUL_CHARACTER, b'{"a":"\x00"}'),
        (Reason.NUL_CHARACTER, b'{"a":1}\x00'),
        (Reason.BAD_UNICODE, b'{"a":"\\ud800"}'),
        (Reason.BAD_UNICODE, b'{"\\udc00":1}'),
        (Reason.BAD_UNICODE, b'{"a":"\\udc00\\ud800"}'),
        (Reason.BAD_UNICODE, b'{"a":"\xff"}'),
        (Reason.BAD_UNICODE, b'{"a":"\xed\xa0\x80"}'),
        (Reason.BAD_UNICODE, '{"a":1}'.encode("utf-16")),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":NaN}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":Infinity}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":-Infinity}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":1e999}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":-1e999}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":9223372036854775808}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":-9223372036854775809}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a":18446744073709551616}'),
        (Reason.NUMBER_OUT_OF_RANGE, b'{"a" : [ 123456789012345678901234567890 ]}'),
        (Reason.NUMBER_OUT_OF_RANGE, b"123456789012345678901234567890"),
        (Reason.NUMBER_OUT_OF_RANGE, b"[" + b"9" * 10_000 + b"]"),
    ],
)
def test_each_reason_is_given(reason: Reason, raw: bytes | None) -> None:
    assert reason_of(raw) == reason.value


def test_twenty_megabytes_are_too_large_and_the_limit_itself_is_not() -> None:
    raw = b'{"a":"' + b"x" * 20_000_000 + b'"}'
    assert reason_of(raw) == Reason.TOO_LARGE.value
    assert parse(raw, len(raw)) == {"a": "x" * 20_000_000}


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b' {"a": [1, 2.5, -0, 1e308, true, null, "x"]}\n',
        b"[" * 254 + b"]" * 254,
        b'["[[[[", "\\"[[[["]' + b" " * 10,
        b'["' + b"[{" * 500 + b'\\"", 1.0, 1.50]',
        b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
        b'{"a":"\\u0022","b":"\\u00e9\\/"}',
        b'{"a":"\\\\u0000"}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":9223372036854775807,"b":-9223372036854775808,"c":9007199254740993}',
        b'{"a":0.12345678901234567890123,"b":"123456789012345678901234567890", "c": 1.50}',
        b'{"":1," ":2,"  ":3}',
    ],
)
def test_sound_documents_pass(raw: bytes) -> None:
    assert parse(raw, LIMIT) == json.loads(raw)


KEYS = st.sampled_from(["a", "b", 'a"', "a ", "\\", "\u00e9", "[", "u0022", ""])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=5),
    KEYS,
)


class Members(list[tuple[str, Any]]):
    """An object that may have a key twice."""


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(st.tuples(KEYS, inner), max_size=4).map(Members)
    ),
    max_leaves=12,
)


def write(value: Any, pick: st.DataObject) -> str:
    """`value` as JSON, with the whitespace and the escapes that hypothesis picks."""

    def space() -> str:
        return pick.draw(st.sampled_from(["", "", " ", "\n\t"]))

    def string(text: str) -> str:
        style = pick.draw(st.sampled_from(["plain", "ascii", "every"]))
        if style == "every" and all(ord(character) < 0x10000 for character in text):
            return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'
        return json.dumps(text, ensure_ascii=style == "ascii")

    if isinstance(value, Members):
        return (
            "{" + ",".join(f"{space()}{string(k)}{space()}:{space()}{write(v, pick)}" for k, v in value) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(f"{space()}{write(each, pick)}{space()}" for each in value) + "]"
    return string(value) if isinstance(value, str) else json.dumps(value)


def slow_reason(text: str) -> str | None:
    """The exact check, in the plainest way."""
    reasons = set()

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            reasons.add("duplicate-key")
        return dict(pairs)

    def integer(digits: str) -> int:
        if not -(2**63) <= int(digits) < 2**63:
            reasons.add("number-out-of-range")
        return 0

    json.loads(text, object_pairs_hook=members, parse_int=integer)
    nul = json.dumps(json.loads(text)).replace("\\\\", "").count("\\u0000") or '"\\u0000"' in text
    if nul or (reasons and "\\u0000" in text):
        reasons.add("nul-character")
    return reasons.pop() if len(reasons) == 1 else "several" if reasons else None


@given(VALUES, st.data())
def test_quick_checks_agree_with_the_exact_one(value: Any, pick: st.DataObject) -> None:
    text = write(value, pick)
    expected = slow_reason(text)
    if expected is None:
        assert parse(text.encode(), LIMIT) == json.loads(text)
    else:
        found = reason_of(text.encode())
        assert found == expected or expected == "several"


@given(st.binary(max_size=200))
@example(b'"\\')
@example(b'{"a":"\\u00')
def test_any_bytes_give_a_document_or_a_decode_error(raw: bytes) -> None:
    try:
        parse(raw, LIMIT)
    except DecodeError as error:
        Reason(error.reason)


@given(st.text('[]{}",:\\u0123e.-+ aNIty\x00\ud800\n', max_size=60))
def test_texts_that_are_almost_json_too(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        document = parse(raw, LIMIT)
    except DecodeError as error:
        Reason(error.reason)
    else:
        assert document == orjson.loads(raw)
