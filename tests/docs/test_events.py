"""The page of log events has every event that the source names."""

from __future__ import annotations

import ast
import re

import pytest
from tests.docs.pages import ROOT

from automation_consumer.cli.reference.events import LogEvent, _of_call, logged

NAMED = re.compile(r'\bevent="([a-z_.]+)"')


def test_no_event_is_left_out():
    """Found by their text instead of by their syntax. Red when a form of call is not looked at."""
    package = ROOT / "src" / "automation_consumer"
    sources = set(package.rglob("*.py")) - {package / "logs.py"}  # there is only an example
    named = {name for file in sources for name in NAMED.findall(file.read_text("utf-8"))}
    assert len(named) > 50
    assert named <= {each.name for each in logged()}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('log.info("%s is %d", a, b, event="a.b")', [("a.b", "info", "… is …")]),
        (
            'bind(log, x=1).warning("x", event="on" if y else "off")',
            [("on", "warning", "x"), ("off", "warning", "x")],
        ),
        ('log.log(level, "x %-5s", y, event=f"run.{y}")', [("run.…", "by its result", "x …")]),
        ('log.error(text, event="a")', [("a", "error", "…")]),
        ('log.exception("x" "y", event="a")', [("a", "error", "xy")]),
        ('make(event="a")', []),
        ('log.info("x")', []),
    ],
)
def test_what_a_call_says(source, found):
    call = ast.parse(source).body[0].value
    method = getattr(call.func, "attr", "")
    assert list(_of_call(call, method, "here")) == [
        LogEvent(name, level, "here", text) for name, level, text in found
    ]
