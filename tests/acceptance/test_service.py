"""The whole service as a process: stopping, coming again, dry runs, poison, order, exit codes, secrets."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.acceptance.conftest import MakePod
from tests.acceptance.pod import Pod, incident, resolved, screwdriver, started
from tests.standins.http_server import HttpServer, Reply, Request
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.model.run import Phase, Run, RunStatus

SECRET = "s3cr3t-hunter2-value"
ALERTS = [f"INC-1-a{n}" for n in range(4)]


class Desk:
    """A webhook target that knows when each call came and when its answer went out."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float, float]] = []  # body's `what`, from, to
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[str], Reply] = lambda what: Reply(200, b"{}")
        self._lock = threading.Lock()
        self._server = HttpServer(self._take)

    def _take(self, request: Request) -> Reply:
        what = json.loads(request.body)["what"]
        reply = self.answer(what)
        now = time.monotonic()
        with self._lock:
            self.calls.append((what, now, now + (reply.delay_s or 0.0)))
            self.headers.append(request.headers)
        return reply

    @property
    def order(self) -> list[str]:
        return [what for what, _, _ in self.calls]

    @property
    def most_at_once(self) -> int:
        return max(sum(a <= began < b for _, a, b in self.calls) for _, began, _ in self.calls)

    def __enter__(self) -> Desk:
        self._server.start()
        self.url = self._server.url
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Desk() as running:
        yield running


def calling(desk: Desk, what: str = "{{ id }}", **condition: Any) -> dict[str, Any]:
    """The part of a configuration that calls the desk for every alert, and logs how it went."""
    return {
        "actions": [
            {"name": "call", "type": "webhook", "url": f"{desk.url}/hook", "body": {"what": what}},
            {"name": "went_well", "type": "log", "message": "well"},
            {"name": "went_badly", "type": "log", "message": "badly"},
        ],
        "incident_conditions": [
            {
                "name": "callable",
                "match": {"status": "critical"},
                "alert_actions": ["call"],
                "on_success": ["went_well"],
                "on_failure": ["went_badly"],
                **condition,
            }
        ],
    }


def slowly(what: str) -> Reply:
    return Reply(200, b"{}", delay_s=0.15)


def by_alert(runs: list[Run]) -> dict[str | None, RunStatus]:
    return {run.alert_id: run.status for run in runs}


# --- stopping ------------------------------------------------------------------------------------------------------


def test_sigterm_parks_remote_jobs_and_the_restart_adopts_them(make_pod: MakePod, server: ScrewdriverStandin):
    server.job_seconds = 3600.0
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1))
    process = pod.start()
    pod.until(lambda: len(pod.runs(status=RunStatus.WAITING)) == 4, "four jobs in flight")

    stopped = pod.terminate(process, within_s=10)

    assert stopped.code == 0, stopped.err
    assert len(pod.runs(status=RunStatus.WAITING)) == 4
    assert pod.committed() == {}
    server.job_seconds = 0.0
    assert pod.once().code == 0
    assert by_alert(pod.runs(action="fix")) == dict.fromkeys(ALERTS, RunStatus.SUCCEEDED)
    assert started(server) == ALERTS
    assert pod.committed() == {0: 1}


def test_sigterm_lets_a_running_action_finish(make_pod: MakePod, desk: Desk):
    desk.answer = lambda what: Reply(200, b"{}", delay_s=1.0)
    pod: Pod = make_pod(calling(desk))
    pod.publish(incident(1))
    process = pod.start()
    pod.until(lambda: len(desk.calls) == 4, "four calls under way")

    stopped = pod.terminate(process, within_s=10)

    assert stopped.code == 0, stopped.err
    assert by_alert(pod.runs(action="call")) == dict.fromkeys(ALERTS, RunStatus.SUCCEEDED)
    assert pod.once().code == 0
    assert len(desk.calls) == 4
    assert pod.committed() == {0: 1}


def test_a_call_that_was_cut_off_is_unknown_and_not_repeated_blindly(make_pod: MakePod, desk: Desk):
    desk.answer = lambda what: Reply(delay_s=None)
    pod: Pod = make_pod(calling(desk))
    pod.publish(incident(1, alerts=1))
    process = pod.start()
    pod.until(lambda: len(desk.calls) == 1, "a call that gets no answer")

    process.kill()
    process.wait()

    assert [run.status for run in pod.runs()] == [RunStatus.RUNNING]
    assert pod.once().code == 1
    assert [run.status for run in pod.runs(action="call")] == [RunStatus.UNKNOWN]
    assert [run.status for run in pod.runs(phase=Phase.ON_FAILURE)] == [RunStatus.SUCCEEDED]
    assert len(desk.calls) == 1
    assert pod.committed() == {0: 1}


def test_a_stop_does_not_wait_longer_than_it_may(make_pod: MakePod, desk: Desk):
    desk.answer = lambda what: Reply(delay_s=None)
    pod: Pod = make_pod(calling(desk))
    pod.publish(incident(1, alerts=1))
    process = pod.start("--drain-timeout", "500ms")
    pod.until(lambda: len(desk.calls) == 1, "a call that gets no answer")
    assert pod.terminate(process, within_s=10).code == 0
    assert [run.status for run in pod.runs()] == [RunStatus.RUNNING]


def test_a_second_signal_ends_the_process_at_once(make_pod: MakePod, desk: Desk):
    desk.answer = lambda what: Reply(delay_s=None)
    pod: Pod = make_pod(calling(desk))
    pod.publish(incident(1, alerts=1))
    process = pod.start()
    pod.until(lambda: len(desk.calls) == 1, "a call that gets no answer")
    process.send_signal(signal.SIGTERM)
    pod.until(lambda: "service.stopping" in pod.said, "the first signal to be heard")
    assert pod.terminate(process, within_s=10).code == 130


def test_an_incident_that_was_resolved_and_came_back_in_one_burst_runs_again(
    make_pod: MakePod, server: ScrewdriverStandin
):
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1), resolved(1), incident(1))
    assert pod.once().code == 0
    assert len(started(server)) == 8


# --- coming again --------------------------------------------------------------------------------------------------


def test_an_incident_that_comes_again_runs_as_its_rerun_rule_says(make_pod: MakePod):
    rules = {
        "never": "never",
        "on_change": "on_change",
        "soon": "after:1ms",
        "late": "after:1h",
        "always": "always",
    }
    condition = {"match": {"status": "critical"}, "alert_actions": ["note"], "continue": True}
    pod: Pod = make_pod(
        {
            "actions": [{"name": "note", "type": "log", "message": "{{ description }}"}],
            "incident_conditions": [
                {"name": name, "rerun": rule, **condition} for name, rule in rules.items()
            ],
        }
    )
    process = pod.start()
    rows = 0

    def runs_again(message: dict[str, Any]) -> set[str]:
        """The conditions whose action ran for this message; every one of them has a row for it."""
        nonlocal rows
        rows += len(rules)
        pod.publish(message)
        pod.until(lambda: sum(run.ended for run in pod.runs()) == rows, f"{rows} ended runs in the journal")
        assert {run.reason for run in pod.runs() if run.status is RunStatus.SKIPPED} or rows == len(rules)
        return {run.condition for run in pod.runs()[-len(rules) :] if run.status is RunStatus.SUCCEEDED}

    first = incident(1, alerts=1)
    changed = json.loads(json.dumps(first).replace("disk full", "disk on fire"))
    assert runs_again(first) == set(rules)
    assert runs_again(first) == {"soon", "always"}
    assert runs_again(changed) == {"on_change", "soon", "always"}
    assert runs_again(changed) == {"soon", "always"}
    pod.publish(resolved(1, alerts=1))
    assert runs_again(changed) == set(rules)  # it is another occurrence
    assert pod.terminate(process).code == 0


def test_a_job_is_not_started_again_when_its_incident_is_sent_again(
    make_pod: MakePod, server: ScrewdriverStandin
):
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1), incident(1))
    assert pod.once().code == 0
    pod.publish(incident(1))
    assert pod.once().code == 0

    assert started(server) == ALERTS
    assert [run.status for run in pod.runs(action="fix")].count(RunStatus.SKIPPED) == 8

    pod.publish(resolved(1), incident(1))
    assert pod.once().code == 0
    assert started(server) == sorted(ALERTS * 2)


# --- dry run -------------------------------------------------------------------------------------------------------


def test_a_dry_run_calls_nothing_and_leaves_the_group_where_it_is(
    make_pod: MakePod, server: ScrewdriverStandin
):
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1), b"not json")

    dry = pod.once("--dry-run")

    assert dry.code == 0, dry.err
    assert dry.facts["runs"] == {"previewed": 9}
    assert dict(server.calls) == {}
    assert pod.committed() == {}
    assert pod.dead_letters() == []
    assert {run.status for run in pod.runs()} == {RunStatus.PREVIEWED}
    preview = pod.runs(action="fix", alert_id="INC-1-a2")[0]
    assert "id=INC-1-a2" in preview.reason
    assert pod.once().facts["runs"] == {"succeeded": 9}
    assert started(server) == ALERTS


# --- poison --------------------------------------------------------------------------------------------------------

POISON: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "empty"),
    "nothing": (b"", "empty"),
    "large": (b'{"id": "' + b"x" * 300_000 + b'"}', "too-large"),
    "half": (b'{"id": "INC-7", "alerts": ', "not-json"),
    "words": (b"the disk is full", "not-json"),
    "deep": (b'{"id": "INC-7", "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "too-deep"),
    "twice": (b'{"id": "INC-7", "id": "INC-8"}', "duplicate-key"),
    "nul": (b'{"id": "INC\\u0000-7"}', "nul-character"),
    "surrogate": (b'{"id": "INC-\\ud800"}', "bad-unicode"),
    "latin": (b'{"id": "INC-7", "title": "\xe9"}', "bad-unicode"),
    "huge": (b'{"id": "INC-7", "startedOn": 1e400}', "number-out-of-range"),
    "type": (b'{"id": "INC-7", "alerts": "many"}', "wrong-type"),
    "stranger": (b'{"hello": "world"}', "not-an-incident"),
}


def test_poison_goes_to_the_dead_letters_as_it_came_and_stops_nothing(make_pod: MakePod, desk: Desk):
    pod: Pod = make_pod({**calling(desk), "kafka": {"max_message_bytes": 200_000}})
    for name, (value, _) in POISON.items():
        pod.publish(value, key=name.encode(), headers=[("origin", name.encode()), ("origin", b"\xff")])
    pod.publish(incident(1, alerts=1))

    ended = pod.once()

    assert ended.code == 0, ended.err
    assert ended.facts["dead_letters"] == len(POISON)
    assert desk.order == ["INC-1-a0"]
    letters = {message.key().decode(): message for message in pod.dead_letters()}
    assert set(letters) == set(POISON)
    found = {name: dict(message.headers())["automation.reason"].decode() for name, message in letters.items()}
    assert found == {name: reason for name, (_, reason) in POISON.items()}
    for number, (name, (value, _)) in enumerate(POISON.items()):
        headers = letters[name].headers()
        assert letters[name].value() == value
        assert headers[:2] == [("origin", name.encode()), ("origin", b"\xff")]
        assert dict(headers)["__connect.errors.offset"] == str(number).encode()
        assert dict(headers)["automation.detail"]
    assert pod.committed() == {0: len(POISON) + 1}


# --- order and width -----------------------------------------------------------------------------------------------


def test_alerts_go_one_by_one_when_not_parallel(make_pod: MakePod, desk: Desk):
    desk.answer = slowly
    pod: Pod = make_pod(calling(desk, parallel_alert_processing=False))
    pod.publish(incident(1))

    assert pod.once().code == 0

    assert desk.order == ALERTS
    assert desk.most_at_once == 1


@pytest.mark.parametrize("width", [2, 4])
def test_as_many_alerts_at_once_as_the_condition_allows(make_pod: MakePod, desk: Desk, width: int):
    desk.answer = lambda what: Reply(200, b"{}", delay_s=0.5)
    pod: Pod = make_pod(calling(desk, max_concurrent_alerts=width))
    pod.publish(incident(1))

    assert pod.once().code == 0

    assert sorted(desk.order) == ALERTS
    assert desk.most_at_once == width


def test_fail_fast_starts_no_further_alerts(make_pod: MakePod, desk: Desk):
    desk.answer = lambda what: Reply(400 if what == ALERTS[1] else 200, b"{}")
    pod: Pod = make_pod(calling(desk, parallel_alert_processing=False, fail_fast=True))
    pod.publish(incident(1))

    ended = pod.once()

    assert ended.code == 1
    assert desk.order == ALERTS[:2]
    assert ended.facts["conditions"] == {"partial": 1}
    assert [run.phase for run in pod.runs() if run.action_type == "log"] == [Phase.ON_FAILURE]
    assert pod.committed() == {0: 1}


@pytest.mark.parametrize(
    ("failing", "result"), [(ALERTS[:1], "partial"), (ALERTS, "failed"), ([], "succeeded")]
)
def test_what_follows_the_alerts(make_pod: MakePod, desk: Desk, failing: list[str], result: str):
    desk.answer = lambda what: Reply(400 if what in failing else 200, b"{}")
    pod: Pod = make_pod(calling(desk))
    pod.publish(incident(1))

    ended = pod.once()

    assert ended.code == (1 if failing else 0)
    assert sorted(desk.order) == ALERTS
    assert ended.facts["conditions"] == {result: 1}
    after = Phase.ON_FAILURE if failing else Phase.ON_SUCCESS
    assert [run.phase for run in pod.runs() if run.action_type == "log"] == [after]


def test_one_incident_in_order_while_others_run_beside_it(make_pod: MakePod, desk: Desk):
    desk.answer = lambda what: Reply(200, b"{}", delay_s=0.6 if what.startswith("slow") else 0.0)
    pod: Pod = make_pod(calling(desk, "{{ incident.title }}", rerun="always"))
    slow = [incident(1, alerts=1, title=f"slow {n}") for n in range(3)]
    pod.publish(*slow, incident(2, alerts=1, title="quick"))

    assert pod.once().code == 0

    times = {what: (began, ended) for what, began, ended in desk.calls}
    assert [what for what in desk.order if what != "quick"] == ["slow 0", "slow 1", "slow 2"]
    assert times["slow 0"][1] <= times["slow 1"][0]
    assert times["slow 1"][1] <= times["slow 2"][0]
    assert times["quick"][0] < times["slow 0"][1]


# --- the command line ----------------------------------------------------------------------------------------------


def test_the_documents_of_the_command_line(make_pod: MakePod, server: ScrewdriverStandin):
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1), resolved(2), b"not json")

    facts = pod.once().facts

    assert facts.pop("handling_s") > 0.3
    assert facts == {
        "incidents": 2,
        "matched": 1,
        "conditions": {"succeeded": 1},
        "runs": {"succeeded": 9},
        "dead_letters": 1,
    }
    listed = pod.ask("runs", "-o", "json", "--incident", "INC-1", "--status", "succeeded").facts
    assert len(listed) == 9
    chosen = next(run for run in listed if run["action"] == "fix" and run["alert_id"] == "INC-1-a3")
    one = pod.ask("runs", chosen["id"], "-o", "json").facts
    assert [change["status"] for change in one["changes"]] == ["running", "waiting", "succeeded"]
    assert one["params"]["extra_parameters"] == {"incident": "INC-1"}
    assert one["rule"].startswith(f"{pod.file}:") or one["rule"].startswith("config.yaml:")
    assert one["url"].startswith(server.url)
    assert one["config_version"]
    assert pod.ask("runs", "-o", "json", "--status", "failed").facts == []
    assert pod.ask("runs", "rnothing", "-o", "json").code == 2


def test_explain_says_what_would_run_and_runs_nothing(make_pod: MakePod, server: ScrewdriverStandin):
    pod: Pod = make_pod(screwdriver(server))
    for name, message in {"yes": incident(1), "no": resolved(1)}.items():
        (pod.folder / f"{name}.json").write_text(json.dumps(message))

    matched = pod.ask("explain", str(pod.folder / "yes.json"), "-o", "json").facts
    missed = pod.ask("explain", str(pod.folder / "no.json"), "-o", "json").facts

    assert [(run["action"], run["alert"]) for run in matched["runs"]] == [
        *[(action, alert) for alert in ALERTS for action in ("fix", "note")],
        ("sum_up", None),
    ]
    assert matched["runs"][1]["parameters"]["message"] == "fixed INC-1-a0"
    assert matched["conditions"][0]["matched"] is True
    assert missed["runs"] == []
    (clause,) = missed["conditions"][0]["clauses"]
    assert (clause["path"], clause["expected"], clause["actual"]) == ("status", "critical", "ok")
    assert clause["result"] is False
    assert dict(server.calls) == {}


def test_a_failed_run_makes_once_end_with_1(make_pod: MakePod, server: ScrewdriverStandin):
    server.outcomes["fix"] = "FAILURE"
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1))

    ended = pod.once()

    assert ended.code == 1
    assert ended.facts["runs"] == {"failed": 4, "succeeded": 1}
    assert ended.facts["conditions"]["failed"] == 1


def test_an_invalid_configuration_ends_with_1_and_says_all_that_is_wrong(
    make_pod: MakePod, server: ScrewdriverStandin
):
    config = screwdriver(server, alert_actions=["fxi"])
    config["actions"][0]["job_nam"] = "typo"
    pod: Pod = make_pod(config)

    ended = pod.once()

    assert ended.code == 1
    assert ended.out == ""
    assert "fxi" in ended.err
    assert "job_nam" in ended.err


def test_a_journal_that_cannot_be_opened_ends_with_2(make_pod: MakePod, server: ScrewdriverStandin):
    pod: Pod = make_pod(screwdriver(server))
    (pod.folder / "journal.db").mkdir()

    ended = pod.once()

    assert ended.code == 2
    assert "journal.db" in ended.err
    assert "Traceback" not in ended.err


def test_no_broker_ends_with_2(make_pod: MakePod, server: ScrewdriverStandin):
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        pod: Pod = make_pod({**screwdriver(server), "kafka": {"bootstrap.servers": address}})

        ended = pod.once()

    assert ended.code == 2
    assert address in ended.err
    assert "Traceback" not in ended.err


# --- secrets -------------------------------------------------------------------------------------------------------


def test_secrets_stay_out_of_journal_log_and_dead_letters(make_pod: MakePod, desk: Desk):
    def echo(what: str) -> Reply:
        body = json.dumps({"you_sent": SECRET}).encode()
        return Reply(400 if what == ALERTS[1] else 200, body)

    desk.answer = echo
    config = calling(desk)
    config["actions"][0]["headers"] = {"X-Key": "$secret:hook", "X-Long": "key=$secret:hook;"}
    config["actions"][1:2] = [{"name": "say", "type": "log", "message": "the key is $secret:hook"}]
    config["incident_conditions"][0].update(alert_actions=["call"], on_success=[], incident_actions=["say"])
    pod: Pod = make_pod(config, secrets={"HOOK": SECRET})
    pod.publish(incident(1), b"not json")

    ended = pod.once()

    assert ended.code == 1
    assert all(headers["x-key"] == SECRET for headers in desk.headers)
    assert [run.status for run in pod.runs(action="say")] == [RunStatus.SUCCEEDED]
    assert "the key is" in ended.err
    for file in pod.folder.iterdir():
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file.name
    for letter in pod.dead_letters():
        assert SECRET.encode() not in repr(letter.headers()).encode()
    shown = pod.ask("runs", "-o", "json").out
    assert SECRET not in shown
    assert "***" in shown
