"""The action type `log`."""

from __future__ import annotations

import logging

import pytest
from tests.standins.action_context import make_context

from automation_consumer.actions.notify.log import Log, LogParams


async def test_the_line_has_the_event_and_the_runs_ids(caplog):
    with caplog.at_level(logging.INFO):
        outcome = await Log().run(make_context(run_id="r7"), LogParams(message="95 % full\nFAKE %s"))
    (record,) = caplog.records
    assert outcome.ok
    assert record.getMessage() == "95 % full\nFAKE %s"
    assert record.fields == {"run": "r7", "event": "action.log"}
    assert record.levelno == logging.INFO


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
async def test_levels(caplog, level):
    with caplog.at_level(logging.DEBUG):
        await Log().run(make_context(), LogParams(message="x", level=level))
    assert caplog.records[0].levelname == level.upper()


def test_other_levels_are_refused():
    with pytest.raises(ValueError, match="level"):
        LogParams(message="x", level="loud")


async def test_it_does_no_harm_twice_and_a_preview_logs_nothing(caplog):
    params = LogParams(message="x")
    assert Log().repeatable(params)
    with caplog.at_level(logging.DEBUG):
        assert await Log().preview(make_context(), params) == "would log: x"
    assert caplog.records == []
