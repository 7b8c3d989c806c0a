"""`runs retry` and `runs cancel`: what is asked of the service, what is refused at once, and what its answer means."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest
from tests.unit.cli.service import RunningService
from tests.unit.cli.terminal import CONFIG, run_command
from tests.unit.pipeline.acting import Short

from automation_consumer.clock import SystemClock
from automation_consumer.model.run import RunStatus
from automation_consumer.model.switch import Wish
from automation_consumer.store.open import open_journal
from automation_consumer.testing.run import Bench


@pytest.fixture
def url(store_url):
    return store_url


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, url):
    (tmp_path / "config.yaml").write_text(CONFIG.replace("sqlite:///STORE", f"'{url}'"))
    monkeypatch.setenv("AUTOMATION_CONFIG", str(tmp_path / "config.yaml"))
    return partial(run_command, monkeypatch, capsys)


@pytest.fixture
def ids(url):
    """A run in each of some states, by state."""

    async def write():
        bench = Bench(
            {"it": (Short(name="it"), {})},
            journal=open_journal(url, SystemClock(), name="test"),
            clock=SystemClock(),
        )
        states = ("failed", "succeeded", "waiting", "previewed", "skipped")
        found = {}
        for number, state in enumerate(states):
            row = bench.engine.recorder.row(bench.plan("it", offset=number), {}, RunStatus(state))
            found[state] = (await bench.journal.open(row)).id
        bench.close()
        return found

    return asyncio.run(write())


def test_the_service_is_asked_and_its_answer_shown(command, ids, url):
    with RunningService(url) as service:
        said = command("runs", "retry", ids["failed"][:12], "--who", "kim")
        assert (said.code, said.out) == (0, f"{ids['failed']}: it runs again as r2\n")
        said = command("runs", "cancel", ids["waiting"], "-o", "json")
        assert (said.code, said.json["answer"], said.json["refused"]) == (0, "it runs again as r2", False)
    assert [(each.wish, each.run_id) for each in service.asked] == [
        (Wish.RETRY, ids["failed"]),
        (Wish.CANCEL, ids["waiting"]),
    ]
    assert service.asked[0].who == "kim"


def test_a_refusal_of_the_service_is_a_no(command, ids, url):
    """Red when the exit code does not depend on the answer."""
    with RunningService(url, refuses=(ids["failed"],)):
        said = command("runs", "retry", ids["failed"], "-o", "json")
    assert (said.code, said.json["refused"]) == (1, True)
    assert said.json["answer"] == "refused: its message is no longer kept"


@pytest.mark.parametrize(
    ("words", "state", "says"),
    [
        (("retry",), "waiting", "has not ended"),
        (("retry",), "previewed", "dry run"),
        (("retry",), "succeeded", "--again"),
        (("cancel",), "failed", "ended already: failed"),
    ],
)
def test_what_needs_no_service_to_be_refused(command, ids, words, state, says):
    """Red without `_why_not`: the service would be asked, and this would wait."""
    said = command("runs", *words, ids[state])
    assert (said.code, said.out) == (1, "")
    assert says in said.err
    document = command("runs", *words, ids[state], "-o", "json").json
    assert (document["refused"], document["request"]) == (True, None)


@pytest.mark.parametrize("word", ["retry", "cancel"])
def test_an_unknown_run(command, ids, word):
    said = command("runs", word, "rnobody")
    assert (said.code, said.out) == (2, "")
    assert "rnobody" in said.err


def test_a_run_is_tried_again_once_however_often_it_is_asked_for(command, ids, url):
    """An impatient operator must not start it twice. Red when every request has an id of its own."""
    said = command("runs", "retry", ids["failed"], "--wait", "0.3")
    assert said.code == 2
    assert "is one running?" in said.err
    assert command("runs", "retry", ids["failed"], "--wait", "0").code == 0
    with RunningService(url) as service:
        command("runs", "retry", ids["failed"])  # by now, or meanwhile, it is answered
        said = command("runs", "retry", ids["failed"])
        assert said.code == 1
        assert "asked for before (it runs again as r2)" in said.err
        assert len(service.asked) == 1
        assert command("runs", "retry", ids["failed"], "--again").code == 0
        assert command("runs", "retry", ids["succeeded"], "--again").code == 0
    assert len(service.asked) == 3


def test_a_long_one_is_answered_later_and_said_to_run(command, ids, url):
    """A retried job may take hours. Red without `begun`: it would say that no service runs."""

    async def begin(request):
        bench = Bench({"it": (Short(name="it"), {})}, journal=open_journal(url, SystemClock(), name="test"))
        row = bench.engine.recorder.row(bench.plan("it", offset=77), {}, RunStatus.WAITING)
        await bench.journal.open(msgspec.structs.replace(row, request=request))
        bench.close()
        return row.id

    request = command("runs", "retry", ids["failed"], "--wait", "0", "-o", "json").json["request"]
    new = asyncio.run(begin(request))
    said = command("runs", "retry", ids["failed"], "--wait", "0.1")
    assert (said.code, said.err) == (0, "")
    assert f"runs again as {new}, which is waiting" in said.out


def test_runs_lists_without_a_word(command, ids):
    for words in ((), ("list",)):
        listed = command("runs", *words, "-o", "json").json
        assert {each["id"] for each in listed} == set(ids.values())
    assert command("runs", ids["failed"], "-o", "json").json["status"] == "failed"
    assert command("runs", "--status", "failed", "-o", "json").json[0]["id"] == ids["failed"]
    assert "retry" in command("runs", "--help").out
