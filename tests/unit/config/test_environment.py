"""Variables in the YAML."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.config.environment import Environment, process_environment


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B:2}z", "x1y2z"),
        ("${A:9}", "1"),
        ("${B:}", ""),
        ("${EMPTY:9}", ""),
        ("${B:localhost:9092}", "localhost:9092"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $5 {A}", "$A $5 {A}"),
        ("${LOOKS}", "${A}"),
    ],
)
def test_expansion(text, expanded):
    found = Environment({"A": "1", "EMPTY": "", "LOOKS": "${A}"}).expand(text)
    assert (found.text, found.missing, found.malformed) == (expanded, (), False)


def test_every_missing_variable_is_named_once():
    assert Environment({}).expand("${A} ${B} ${A} ${C:x}").missing == ("A", "B")


@pytest.mark.parametrize("text", ["${", "${}", "${A-b}", "${1}", "${A:x", "${#a[@]}"])
def test_malformed(text):
    assert Environment({"A": "1"}).expand(text).malformed


@given(st.text())
def test_a_text_with_every_dollar_brace_doubled_is_itself(text):
    found = Environment({}).expand(text.replace("${", "$${"))
    assert (found.text, found.missing, found.malformed) == (text, (), False)


def test_the_environment_of_the_process_is_copied(monkeypatch):
    monkeypatch.setenv("AUTOMATION_TEST_VARIABLE", "1")
    copy = process_environment()
    monkeypatch.setenv("AUTOMATION_TEST_VARIABLE", "2")
    assert copy["AUTOMATION_TEST_VARIABLE"] == "1"
    assert os.environ["AUTOMATION_TEST_VARIABLE"] == "2"
