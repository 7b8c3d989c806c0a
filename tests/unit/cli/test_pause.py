"""`pause` and `resume`, beside a journal that a service has open."""

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
from automation_consumer.model.switch import Scope, Switch
from automation_consumer.store.open import open_journal, open_reader
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
def paused(command):
    """Pause with these words; the pause as JSON says it."""
    return lambda *words: command("pause", *words, "--reason", "bad deploy", "-o", "json").json


@pytest.fixture
def write(url):
    """Write runs into the journal, as `(action, incident, status, switch)`, one second apart; their ids."""

    def write(*rows, first=0):
        async def do():
            bench = Bench(
                {name: (Short(name=name), {}) for name in ("note", "off")},
                journal=open_journal(url, SystemClock(), name="test"),
                clock=SystemClock(),
            )
            ids = []
            for number, (action, incident, status, switch) in enumerate(rows, first):
                plan = bench.plan(action, offset=number)
                row = bench.engine.recorder.row(plan, {}, status)
                row = msgspec.structs.replace(
                    row,
                    incident_id=incident,
                    subject=f"{incident} {action}",
                    created_at=row.created_at + number,
                    data={"check": "paused", "switch": switch} if switch else {},
                )
                ids.append((await bench.journal.open(row)).id)
            bench.close()
            return ids

        return asyncio.run(do())

    return write


def test_it_says_what_it_covers_and_how_to_resume(command):
    said = command("pause", "--condition", "disks", "--reason", "bad deploy", "--who", "kim")
    assert said.code == 0
    assert "paused: condition disks, by kim since 20" in said.out
    assert "until somebody resumes it: bad deploy" in said.out
    pause_id = said.out.split("automation-consumer resume ")[1].strip()
    said = command("pause", "--list")
    assert said.out.startswith(f"{pause_id}  condition disks, by kim")
    assert "; 0 runs skipped" in said.out


def test_the_list_as_json_and_the_name_of_who_asks(command, paused):
    everything = paused()
    assert "@" in everything["who"]
    kinds = [paused("--action", "note"), paused("--action-type", "log"), paused("--for", "2h")]
    listed = command("pause", "--list", "-o", "json").json
    assert [(each["scope"], each["name"]) for each in listed] == [
        ("everything", ""),
        ("action", "note"),
        ("action-type", "log"),
        ("everything", ""),
    ]
    assert [each["until"] is None for each in kinds] == [True, True, False]
    assert listed[0] == {**everything, "runs_skipped": 0}


def test_a_time_that_has_come_ends_it(command, paused):
    """Red when the list does not ask whether a pause holds."""
    paused("--for", "1ms")
    assert command("pause", "--list", "-o", "json").json == []
    assert "nothing is paused" in command("pause", "--list").err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--condition", "disk"], "did you mean 'disks'?"),
        (["--action", "noted"], "did you mean 'note'?"),
        (["--action-type", "lgo"], "did you mean 'log'?"),
        (["--condition", "disks", "--action", "note"], "one pause after the other"),
        (["--for", "soon"], "is not a duration"),
        (["--until", "tomorrow"], "is not a time"),
        (["--until", "2999-01-01T00:00:00"], "time zone"),
        (["--until", "2001-01-01T00:00:00Z"], "over already"),
        (["--for", "1h", "--until", "2999-01-01T00:00:00Z"], "twice"),
        (["--for", "99999999d"], "longer than ten years"),
        (["--until", "2999-01-01T00:00:00Z"], "longer than ten years"),
        (["--until", "9999-12-31T23:59:59-12:00"], "longer than ten years"),
        (["--until", "0001-01-01T00:00:00+14:00"], "over already"),
    ],
)
def test_what_it_refuses(command, words, says):
    """And nothing is paused then: a typing error must not look like a pause. Red without `_check`."""
    said = command("pause", *words, "--reason", "x")
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert command("pause", "--list", "-o", "json").json == []


@pytest.mark.parametrize("words", [(), ("--reason", ""), ("--reason", " \t")])
def test_a_reason_is_wanted(command, words):
    """Red when a blank one is taken for a reason."""
    said = command("pause", *words)
    assert said.code == 2
    assert "reason" in said.err


@pytest.mark.parametrize(
    ("for_", "left"),
    [
        ("90s", "90 more seconds"),
        ("90m", "90 more minutes"),
        ("1d", "24 more hours"),
        ("30d", "30 more days"),
    ],
)
def test_how_long_it_still_holds_in_the_unit_that_fits(command, for_, left):
    """Red when everything is said in minutes."""
    assert left in command("pause", "--for", for_, "--reason", "x").out


def test_a_broken_config_does_not_keep_anybody_from_pausing(command, tmp_path, url):
    """The kill switch is wanted most after a bad deploy. Red when mistakes of the config are an error here."""
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text() + "actionz: []\n")
    said = command("pause", "--action", "whatever", "--reason", "x")
    assert said.code == 0
    assert "names are not checked" in said.err
    config.write_text("{")
    said = command("pause", "--reason", "x")
    assert said.code == 2
    assert "--store" in said.err
    assert command("pause", "--reason", "x", "--store", url).code == 0


@pytest.mark.parametrize("store", ["sqlite:///${NOBODY}", "[not, a, text]"])
def test_a_store_that_cannot_be_read_is_not_guessed(command, tmp_path, store):
    """Red when the default store is used: the pause would be in a journal that no service reads."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("sqlite:///STORE", store))
    said = command("pause", "--reason", "x")
    assert said.code == 2
    assert "where the journal is cannot be read" in said.err


def test_control_characters_of_a_reason_are_shown(command):
    command("pause", "--reason", "a\x1b[31mb", "--who", "kim")
    assert "a\\x1b[31mb" in command("pause", "--list").out


def test_resume_by_id_by_name_and_all(command, paused):
    ids = {
        name: paused(*words)["id"]
        for name, words in {
            "all": (),
            "disks": ("--condition", "disks"),
            "note": ("--action", "note"),
            "log": ("--action-type", "log"),
            "off": ("--action", "off"),
        }.items()
    }
    resumed = lambda *words: [each["id"] for each in command("resume", *words, "-o", "json").json["resumed"]]  # noqa: E731
    assert resumed() == [ids["all"]]
    assert resumed("--condition", "disks") == [ids["disks"]]
    assert resumed(ids["note"][:-1]) == [ids["note"]]
    assert sorted(resumed("--all")) == sorted([ids["log"], ids["off"]])
    assert command("pause", "--list", "-o", "json").json == []


def test_what_is_not_paused_cannot_be_resumed(command, paused):
    paused("--action", "note")
    said = command("resume")
    assert said.code == 1
    assert "action note" in said.err
    said = command("resume", "--action", "noted")
    assert said.code == 2
    assert "did you mean 'note'?" in said.err
    assert command("resume", "pffff", "-o", "json").code == 1
    assert command("resume", "pffff", "--all").code == 2
    assert len(command("pause", "--list", "-o", "json").json) == 1


def test_what_is_still_paused_is_said(command, paused):
    """Nobody is to think that it acts again. Red without `still`."""
    one, two = paused("--action", "note")["id"], paused("--action", "note")["id"]
    other = paused("--condition", "disks")["id"]
    said = command("resume", one).out
    assert f"action note stays paused by action note ({two})" in said
    assert f"still paused: action note ({two}), condition disks ({other})" in said
    last = command("resume", two, "-o", "json").json
    assert [each["id"] for each in last["still_paused"]] == [other]
    assert "still paused" not in command("resume", "--all").out


def test_one_of_several_pauses_of_the_intake(command, url):
    """Each replica sets its own. Red when only what has the same name is looked at."""
    reader = open_reader(url)
    for number in (1, 2):
        reader.pause(Switch(f"poison-{number}", Scope.INTAKE, "", "the service", "poison", 1.0))
    reader.close()
    assert "intake stays paused by intake (poison-2)" in command("resume", "poison-1").out


def test_a_pause_whose_time_is_over_is_not_offered(command, paused):
    """Red when `_nothing` lists what no longer holds."""
    paused("--action", "note", "--for", "1ms")
    said = command("resume", "pffff")
    assert (said.code, said.out) == (1, "")
    assert "nothing is paused" in said.err


def test_what_a_pause_that_never_was_has_skipped(command, paused):
    """Red when an id is believed as soon as --run-skipped is there."""
    paused()
    said = command("resume", "pffff", "--run-skipped")
    assert (said.code, said.out) == (1, "")
    assert "no such pause; paused are: everything" in said.err


def test_a_secret_in_a_reason_is_masked(command, monkeypatch, tmp_path, url):
    """Red without the mask of `known`: in what is written, and in what another has written and this shows."""
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text() + "vars: {token: $secret:sd-token}\n")
    monkeypatch.setenv("AUTOMATION_SECRET_SD_TOKEN", "s3cr3t-token")
    assert "the token *** leaked" in command("pause", "--reason", "the token s3cr3t-token leaked").out
    reader = open_reader(url)
    assert [switch.why for switch in reader.switches()] == ["the token *** leaked"]
    reader.pause(Switch("p2", Scope.EVERYTHING, "", "s3cr3t-token", "it is s3cr3t-token", 1.0))
    reader.close()
    said = [command("pause", "--list"), command("pause", "--list", "-o", "json"), command("resume", "p2")]
    assert ["s3cr3t" in each.out for each in said] == [False] * 3
    assert ["it is ***" in each.out for each in said] == [True] * 3


def test_a_running_service_sees_it_and_its_end(command, url):
    with RunningService(url) as service:
        covered = lambda: service.ask(lambda board: board.covering("disks", "note", "log", 0.0))  # noqa: E731
        assert covered() is None
        command("pause", "--reason", "x", "--who", "kim")
        wait_for(lambda: covered() is not None)
        command("resume")
        wait_for(lambda: covered() is None)


def wait_for(condition, limit_s=2.5):
    """Two seconds are promised."""
    clock = SystemClock()
    end = clock.monotonic() + limit_s
    while not condition():
        assert clock.monotonic() < end
        asyncio.run(clock.sleep(0.05))


def test_how_much_a_pause_has_skipped(command, paused, write):
    first, second = paused("--action", "note")["id"], paused("--action", "off")["id"]
    skipped = RunStatus.SKIPPED
    write(("note", "A", skipped, first), ("note", "B", skipped, first), ("off", "A", skipped, second))
    listed = command("pause", "--list", "-o", "json").json
    assert [each["runs_skipped"] for each in listed] == [2, 1]
    said = command("resume", first)
    assert "skipped 2 runs" in said.out
    assert f"resume {first} --run-skipped" in said.out


def test_what_was_skipped_can_be_run_once(command, paused, write, url):
    """One request for each run that nothing has made up for; asked for twice it is done once.

    Red when `worth_running` gives all of them, or when `retry` makes a new id each time.
    """
    pause_id = paused()["id"]
    skipped, failed = RunStatus.SKIPPED, RunStatus.FAILED
    rows = [
        ("note", "A", skipped, pause_id),
        ("note", "A", skipped, pause_id),  # the same alert again: only the last one counts
        ("off", "A", skipped, pause_id),
        ("note", "B", skipped, pause_id),
        ("note", "B", failed, None),  # ran with a later message
        ("note", "C", skipped, "pother"),
        ("note", "D", skipped, None),  # by another check
    ]
    ids = write(*rows)
    wanted = {ids[1], ids[2]}
    with RunningService(url, refuses=(ids[2],)) as service:
        said = command("resume", "--run-skipped", "-o", "json")
        assert {each["run"]: each["answer"] for each in said.json["requests"]} == {
            ids[1]: "it runs again as r2",
            ids[2]: "refused: its message is no longer kept",
        }
        assert said.code == 1
        again = command("resume", pause_id, "--run-skipped", "-o", "json")
        assert again.json["resumed"] == []
        assert {each["run"] for each in again.json["requests"]} == wanted
        asked = [request.run_id for request in service.asked]
    assert asked.count(ids[1]) == 1
    assert asked.count(ids[2]) == 2, "what was refused may be asked for again"
