"""Hosts, times and ids as the formats share them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.sources.formats import tags
from automation_consumer.sources.formats.instant import instant


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("web1", "web1"),
        ("web1:9100", "web1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]:9100", "::1"),
        ("::1", "::1"),
        ("fe80::1:2", "fe80::1:2"),
        ("web1:", "web1:"),
        (":80", ":80"),
        ("http://web1:80/x", "http://web1:80/x"),
        ("", ""),
    ],
)
def test_hosts_without_port(address: str, host: str) -> None:
    assert tags.without_port(address) == host


def test_which_tag_is_the_host() -> None:
    assert tags.host({"hostname": "c", "instance": "b:1", "host": "a"}) == "a"
    assert tags.host({"hostname": "c", "instance": "b:1", "host": ""}) == "b"
    assert tags.host({"host": [5, "a"]}) == "a"
    assert tags.host({"host": {"name": "a"}}) is None
    assert tags.host({}) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (1767225660, 1767225660.0),
        (1767225660.5, 1767225660.5),
        (1767225660500, 1767225660.5),
        ("1767225660500", 1767225660.5),
        ("2026-01-01T00:01:00Z", 1767225660.0),
        ("2026-01-01T00:01:00", 1767225660.0),
        ("2026-01-01T01:01:00.000+0100", 1767225660.0),
        ("0001-01-01T00:00:00Z", None),
        (0, 0.0),
    ],
)
def test_instants(value: object, expected: float | None) -> None:
    assert instant(value, "at") == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 2)))))
def test_no_value_of_a_repeated_tag_is_lost(pairs: list[tuple[str, int | None]]) -> None:
    found = tags.collect(pairs)
    for name in "abc":
        values = {value for key, value in pairs if key == name and value is not None}
        got = found.get(name, [])
        assert set(got if isinstance(got, list) else [got]) == values
        assert not isinstance(got, list) or len(got) == len(values)
