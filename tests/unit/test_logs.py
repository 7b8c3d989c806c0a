"""Log lines: one line each, whatever is in them, with no secret in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.logs import (
    MAX_TEXT,
    BoundLogger,
    ConsoleFormatter,
    JsonFormatter,
    bind,
    get_logger,
    setup,
)

NASTY = 'a\nb\r\x1b[31m\x00\x85\u2028\u2029"\\\x7f'
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("automation_consumer")
    before = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers[:], _, _ = before
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(False)


def logged(log_format: str = "json", level: str = "info", mask=lambda text: text) -> io.StringIO:
    stream = io.StringIO()
    setup(log_format, level, mask, stream)
    return stream


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("automation_consumer.x", logging.INFO, "", 0, message, args, None)
    made.fields = fields
    return made


def test_json_line_has_the_standard_facts_then_the_ids_then_the_fields():
    stream = logged()
    log = bind(get_logger("automation_consumer.test"), incident="inc-1", message="t[0]@3")
    log.info("started %s", "job", event="run.started", pages=2)
    line = json.loads(stream.getvalue())
    assert list(line) == ["ts", "level", "event", "logger", "msg", "incident", "message", "pages"]
    assert line["event"] == "run.started"
    assert line["msg"] == "started job"
    assert (line["incident"], line["message"], line["pages"]) == ("inc-1", "t[0]@3", 2)
    assert line["ts"].endswith("Z")
    assert len(line["ts"]) == len("2026-01-01T00:00:00.000Z")


def test_bind_adds_to_what_is_bound_and_leaves_the_first_as_it_was():
    first = bind(get_logger("automation_consumer.test"), incident="i")
    second = bind(first, run="r", incident="j")
    assert first.ids == {"incident": "i"}
    assert second.ids == {"incident": "j", "run": "r"}
    assert isinstance(bind(logging.LoggerAdapter(first.logger, {"a": 1}), b=2), BoundLogger)
    assert bind(logging.LoggerAdapter(first.logger, {"a": 1}), b=2).ids == {"a": 1, "b": 2}


def test_extra_works_as_in_the_standard_library():
    stream = logged()
    get_logger("automation_consumer.a").info("x", extra={"event": "e.one"})
    logging.getLogger("automation_consumer.b").info("y", extra={"event": "e.two", "run": "r"})
    one, two = map(json.loads, stream.getvalue().splitlines())
    assert one["event"] == "e.one"
    assert (two["event"], two["run"]) == ("e.two", "r")


def test_a_field_cannot_replace_what_the_line_says_itself():
    line = json.loads(JsonFormatter().format(record("text", level="debug", ts="never", msg="other")))
    assert (line["level"], line["msg"]) == ("info", "text")
    assert line["ts"] != "never"


def test_percent_signs_of_a_text_without_arguments_stay():
    assert json.loads(JsonFormatter().format(record("95 % full %s %d")))["msg"] == "95 % full %s %d"


def test_a_level_that_is_off_costs_no_formatting():
    class Explosive:
        def __str__(self) -> str:
            raise AssertionError("formatted")

    stream = logged(level="warning")
    get_logger("automation_consumer.test").info("%s", Explosive(), event="e", value=Explosive())
    assert stream.getvalue() == ""


def test_libraries_log_from_warning_on():
    stream = logged(level="debug")
    logging.getLogger("urllib3").info("chatter")
    logging.getLogger("urllib3").warning("trouble")
    get_logger("automation_consumer.test").debug("detail")
    assert [json.loads(line)["msg"] for line in stream.getvalue().splitlines()] == ["trouble", "detail"]


def test_setup_again_replaces_the_first():
    first, second = logged(), logged()
    get_logger("automation_consumer.test").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_auto_is_json_away_from_a_terminal():
    stream = logged("auto")
    get_logger("automation_consumer.test").info("x")
    assert json.loads(stream.getvalue())["msg"] == "x"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_masked_everywhere_also_where_they_need_escapes(log_format):
    secret = 'p"a\\ss\nwort€'
    stream = logged(log_format, mask=lambda text: text.replace(secret, "***"))
    log = bind(get_logger("automation_consumer.test"), run=f"r-{secret}")
    try:
        raise ValueError(f"bad {secret}")
    except ValueError:
        log.exception(
            "text %s", secret, event=secret, deep={"k": [secret], secret: 1}, other=ValueError(secret)
        )
    text = stream.getvalue()
    for part in ("wort", "p\\", 'p"a'):
        assert part not in text
    assert text.count("***") >= 6


def test_half_a_secret_is_not_left_by_the_bound_on_length():
    text = "x" * (MAX_TEXT - 3) + "SECRET" + "y" * 50
    line = json.loads(JsonFormatter(lambda t: t.replace("SECRET", "***")).format(record(text)))
    assert "SEC" not in line["msg"]
    assert len(line["msg"]) < MAX_TEXT + 50


def test_an_exception_is_one_line_of_json():
    stream = logged()
    try:
        raise ValueError("boom\nFAKE LINE")
    except ValueError:
        get_logger("automation_consumer.test").exception("failed", event="x.failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: boom" in json.loads(stream.getvalue())["stack"]


def test_console_shows_a_stack_below_and_nothing_can_pass_for_a_line():
    stream = logged("console")
    try:
        raise ValueError("boom\n12:00:00 info run.succeeded forged")
    except ValueError:
        get_logger("automation_consumer.test").exception("failed", event="x.failed")
    first, *rest = stream.getvalue().splitlines()
    assert "x.failed  failed" in first
    assert rest
    assert all(line.startswith("    | ") for line in rest)


def test_console_line_reads_well_and_has_colours_on_a_terminal_only():
    made = record("started", event="run.started", run="r1", why="two words", count=3)
    plain = ConsoleFormatter().format(made)
    assert plain.endswith('info    run.started  started run=r1 why="two words" count=3')
    made.levelname = "ERROR"
    assert ConsoleFormatter(colour=True).format(made).startswith("\x1b[31m")


@pytest.mark.parametrize("formatter", [JsonFormatter(), ConsoleFormatter()])
def test_control_characters_break_no_line(formatter):
    line = formatter.format(record(NASTY, event=NASTY, key=NASTY, **{NASTY: {NASTY: [NASTY]}}))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


@given(st.text(st.characters(exclude_categories=())), json_values)
def test_any_value_gives_one_line_of_strict_json(text, value):
    line = JsonFormatter().format(record("%s", text, event="e", value=value))
    assert len(line.splitlines()) == 1
    line.encode()
    parsed = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    if "\x00" not in text:
        assert parsed["msg"] == text


@given(st.text(st.characters(exclude_categories=())), json_values)
def test_any_value_gives_one_printable_console_line(text, value):
    line = ConsoleFormatter().format(record("%s", text, event="e", value=value))
    assert line.isprintable()


def test_a_structure_that_contains_itself_is_logged():
    loop: dict[str, object] = {}
    loop["me"] = loop
    assert "..." in JsonFormatter().format(record("x", loop=loop))
