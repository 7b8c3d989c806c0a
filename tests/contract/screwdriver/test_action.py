"""The `screwdriver` action against a Screwdriver API over real HTTP: every status and every way to fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.standins.action_runs import attempt_of
from tests.standins.screwdriver import API_TOKEN, Pipeline, ScrewdriverStandin

from automation_consumer.actions.change.screwdriver import NO_BUILDS_GRACE_S, Screwdriver, ScrewdriverParams
from automation_consumer.clock import SystemClock
from automation_consumer.errors import (
    ActionError,
    EffectUnknownError,
    PermanentError,
    SecretError,
    TemporaryError,
)
from automation_consumer.integrations import screwdriver as client_module
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.plugin import ActionContext
from automation_consumer.service.clients import SharedClients
from automation_consumer.testing import an_alert, an_incident, run_action

ACTION = Screwdriver()
ALERT = an_alert("a1", tags={"oozie_pipeline": "p 1", "count": 3, "list": [1, "ü"], "odd": "x\0\ud800"})
Attempt = Callable[..., ActionContext]


class ShiftedClock(SystemClock):
    """The machine's clock, moved by the test."""

    shift_s = 0.0

    def now(self) -> float:
        return super().now() + self.shift_s

    def monotonic(self) -> float:
        return super().monotonic() + self.shift_s


@pytest.fixture
def server() -> Iterator[ScrewdriverStandin]:
    with ScrewdriverStandin() as standin:
        yield standin


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def attempt(
    server: ScrewdriverStandin, clock: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Attempt]:
    """Makes contexts that share their clients; waiting for a start is cut to what a test can wait."""
    monkeypatch.setattr(client_module, "CREATE_TIMEOUT_S", 0.5)
    clients = SharedClients()

    def make(**given: Any) -> ActionContext:
        values: dict[str, Any] = {
            "connection": {"url": server.url, "timeout": 0.5, "ui_url": "https://ui.example"},
            "secrets": {"sd-token": API_TOKEN, "wrong": "wrong"},
            "alert": ALERT,
            **given,
        }
        incident = values.pop("incident", None) or an_incident(
            title="Disk [skip further] full", alerts=[ALERT]
        )
        return attempt_of(incident, clients=clients, clock=clock, **values)

    yield make
    clients.close()


def params(**given: Any) -> ScrewdriverParams:
    values = {"pipeline_id": 1, "job_name": "fix", "auth_secret": "sd-token", **given}
    return ScrewdriverParams.model_validate(values)


def follow(ctx: ActionContext, given: ScrewdriverParams, seconds: float = 5.0) -> Outcome:
    handle = ACTION.submit(ctx, given)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        outcome = ACTION.poll(ctx, handle, given)
        if outcome is not None:
            return outcome
    raise AssertionError("the job does not end")


# --- a job from start to end -----------------------------------------------------------------------------------------


def test_a_job_that_succeeds(server: ScrewdriverStandin, attempt: Attempt) -> None:
    server.job_seconds, server.builds_after_s = 0.3, 0.1
    server.meta_results = {"restarted": 4, "parameters": {"x": "y"}}
    given = params(
        alert_parameters=["id"], alert_tag_parameters=["oozie_pipeline"], extra_parameters={"n": 1}
    )
    ctx = attempt()
    handle = ACTION.submit(ctx, given)
    assert ACTION.poll(ctx, handle, given) is None
    outcome = follow(attempt(run_id="r2"), given)
    assert outcome == Outcome(
        True,
        "SUCCESS in 0 s",
        url="https://ui.example/pipelines/1/events/2",
        data={"event_id": 2, "build_id": 1002, "status": "SUCCESS", "meta": {"restarted": 4}},
    )
    assert server.triggers == {"r1-1": 1, "r2-1": 1}
    assert server.bodies[0]["meta"]["parameters"]["fix"] == {"id": "a1", "oozie_pipeline": "p 1", "n": "1"}


def test_the_cause_names_the_incident_and_runs_nothing_further(
    server: ScrewdriverStandin, attempt: Attempt
) -> None:
    ACTION.submit(attempt(), params())
    cause = server.events[1].row["causeMessage"]
    assert cause == "the_action: incident INC-1, alert a1: Disk full [skip further]"


@pytest.mark.parametrize(
    ("status", "ok"),
    [("SUCCESS", True), ("UNSTABLE", True), ("FAILURE", False), ("ABORTED", False), ("COLLAPSED", False)],
)
def test_final_statuses(server: ScrewdriverStandin, attempt: Attempt, status: str, ok: bool) -> None:
    server.outcomes["fix"] = status
    outcome = follow(attempt(), params())
    assert (outcome.ok, outcome.data["status"]) == (ok, status)
    assert outcome.message.startswith(status)


@pytest.mark.parametrize("status", ["CREATED", "QUEUED", "BLOCKED", "RUNNING", "FROZEN", "UNSTABLE"])
def test_statuses_of_a_job_that_goes_on(server: ScrewdriverStandin, attempt: Attempt, status: str) -> None:
    server.status_now = status
    ctx = attempt()
    handle = ACTION.submit(ctx, params())
    assert ACTION.poll(ctx, handle, params()) is None


def test_a_build_that_never_starts_does_not_hide_the_failure(
    server: ScrewdriverStandin, attempt: Attempt
) -> None:
    server.outcomes["fix"] = "FAILURE"
    server.extra_builds = [{"id": 9000, "jobId": 8, "status": "CREATED"}]
    assert not follow(attempt(), params()).ok


def test_a_poll_is_one_small_request(server: ScrewdriverStandin, attempt: Attempt) -> None:
    server.job_seconds = 60
    ctx = attempt()
    handle = ACTION.submit(ctx, params())
    before = server.calls.total()
    for _ in range(3):
        assert ACTION.poll(ctx, handle, params()) is None
    assert server.calls.total() - before == 3


def test_cancel_stops_the_job_and_is_safe_afterwards(server: ScrewdriverStandin, attempt: Attempt) -> None:
    server.job_seconds = 60
    ctx = attempt()
    handle = ACTION.submit(ctx, params())
    ACTION.cancel(ctx, handle, params())
    outcome = ACTION.poll(ctx, handle, params())
    assert outcome is not None
    assert outcome.message == "ABORTED in 60 s: Aborted event by bot"
    ACTION.cancel(ctx, handle, params())
    server.events.clear()
    ACTION.cancel(ctx, handle, params())


# --- parameters ------------------------------------------------------------------------------------------------------


def test_values_become_texts(server: ScrewdriverStandin, attempt: Attempt) -> None:
    given = params(
        alert_parameters=["active"],
        alert_tag_parameters=["count", "list", "odd"],
        extra_parameters={"t": "x", "i": 1, "f": 1.5, "b": False},
    )
    ACTION.submit(attempt(), given)
    assert server.bodies[0]["meta"]["parameters"]["fix"] == {
        "active": "true",
        "count": "3",
        "list": '[1, "ü"]',
        "odd": "x\ufffd\ufffd",
        "t": "x",
        "i": "1",
        "f": "1.5",
        "b": "false",
    }


def test_an_incident_action_takes_the_incidents_fields_and_tags(
    server: ScrewdriverStandin, attempt: Attempt
) -> None:
    incident = an_incident("INC-9", title="T", tags={"team": "data"})
    given = params(alert_parameters=["id", "title"], alert_tag_parameters=["team"])
    ACTION.submit(attempt(incident=incident, alert=None), given)
    assert server.bodies[0]["meta"]["parameters"]["fix"] == {"id": "INC-9", "title": "T", "team": "data"}
    assert server.events[1].row["causeMessage"] == "the_action: incident INC-9: T [skip further]"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"alert_tag_parameters": ["nope"]}, "alert 'a1' has no tag 'nope'.*check"),
        ({"alert_parameters": ["started_at"]}, "alert 'a1' has no field 'started_at'"),
        ({"alert_parameters": ["title"]}, "alert 'a1' has no field 'title'"),
    ],
)
def test_a_missing_value_starts_nothing(
    server: ScrewdriverStandin, attempt: Attempt, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(PermanentError, match=says):
        ACTION.submit(attempt(), params(**given))
    assert not server.calls


@pytest.mark.parametrize("level", ["job", "pipeline"])
def test_declared_parameters_are_kept_at_either_level(
    server: ScrewdriverStandin, attempt: Attempt, level: str
) -> None:
    declared = {"host": "none"}
    server.pipelines[1] = (
        Pipeline({"fix": declared}) if level == "job" else Pipeline({"fix": {}}, parameters=declared)
    )
    assert follow(attempt(), params(alert_parameters=["host"])).ok


def test_dropped_parameters_stop_the_job(server: ScrewdriverStandin, attempt: Attempt) -> None:
    server.job_seconds = 60
    server.pipelines[1] = Pipeline({"fix": {"host": ""}, "other": {"id": ""}})
    with pytest.raises(PermanentError, match=r"dropped or changed the parameters id .*job 'fix'"):
        ACTION.submit(attempt(), params(alert_parameters=["host", "id"]))
    assert server.events[1].stopped
    with pytest.raises(PermanentError, match="dropped"):
        ACTION.find(attempt(), params(alert_parameters=["host", "id"]))


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("kind", ["cut", "hang", "half", "status"])
def test_a_start_without_an_answer_is_found_if_it_happened(
    server: ScrewdriverStandin, attempt: Attempt, kind: str, after: bool
) -> None:
    ctx = attempt()
    server.fault("create", kind, after=after)
    with pytest.raises(EffectUnknownError):
        ACTION.submit(ctx, params())
    found = ACTION.find(ctx, params())
    assert (found is not None) == after
    assert server.triggers["r1-1"] == int(after)
    if found is not None:
        assert (found.id, found.url) == ("1", "https://ui.example/pipelines/1/events/1")
        outcome = ACTION.poll(ctx, found, params())
        assert outcome is not None
        assert outcome.ok


def test_an_html_error_page_of_a_proxy_is_unknown_for_a_start(
    server: ScrewdriverStandin, attempt: Attempt
) -> None:
    server.fault("create", status=502)
    with pytest.raises(EffectUnknownError, match="502 Bad Gateway"):
        ACTION.submit(attempt(), params())


def test_a_late_answer_is_an_answer(server: ScrewdriverStandin, attempt: Attempt) -> None:
    server.fault("create", "late", seconds=0.2)
    assert ACTION.submit(attempt(), params()).id == "1"


@pytest.mark.parametrize("kind", ["cut", "hang", "half", "status"])
@pytest.mark.parametrize("route", ["token", "builds", "events", "stop"])
def test_what_is_safe_to_repeat_is_temporary(
    server: ScrewdriverStandin, attempt: Attempt, route: str, kind: str
) -> None:
    ctx = attempt()
    handle = ACTION.submit(attempt(run_id="other"), params())
    server.expire_tokens()
    server.fault(route, kind)
    work: dict[str, Callable[[], object]] = {
        "token": lambda: ACTION.submit(ctx, params()),
        "builds": lambda: ACTION.poll(ctx, handle, params()),
        "events": lambda: ACTION.find(ctx, params()),
        "stop": lambda: ACTION.cancel(ctx, handle, params()),
    }
    with pytest.raises(TemporaryError):
        work[route]()
    assert server.triggers["r1-1"] == 0


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3"}])
def test_too_many_requests(server: ScrewdriverStandin, attempt: Attempt, headers: dict[str, str]) -> None:
    server.fault("create", status=429, headers=headers)
    with pytest.raises(TemporaryError) as caught:
        ACTION.submit(attempt(), params())
    assert caught.value.retry_after_s == (3.0 if headers else None)


def test_the_servers_own_rate_limit(server: ScrewdriverStandin, attempt: Attempt) -> None:
    server.rate_limit = 1
    ctx = attempt()
    handle = ACTION.submit(ctx, params())
    with pytest.raises(TemporaryError, match="Rate limit exceeded"):
        ACTION.poll(ctx, handle, params())


def test_a_session_that_ends_is_renewed_once(server: ScrewdriverStandin, attempt: Attempt) -> None:
    ctx = attempt()
    handle = ACTION.submit(ctx, params())
    server.expire_tokens()
    assert ACTION.poll(ctx, handle, params()) is not None
    assert server.calls["token"] == 2
    server.expire_tokens()
    ACTION.submit(attempt(run_id="r2"), params())
    assert server.calls["token"] == 3
    assert server.triggers == {"r1-1": 1, "r2-1": 1}


def test_a_session_is_renewed_before_it_ends(
    server: ScrewdriverStandin, attempt: Attempt, clock: ShiftedClock
) -> None:
    ctx = attempt()
    handle = ACTION.submit(ctx, params())
    clock.shift_s = 6890
    ACTION.poll(ctx, handle, params())
    assert server.calls["token"] == 1
    clock.shift_s = 6910
    ACTION.poll(ctx, handle, params())
    assert server.calls["token"] == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pipeline_id": 2}, "404: Pipeline 2 does not exist"),
        ({"job_name": "fxi"}, "no enabled job 'fxi'"),
        ({"job_name": "~commit"}, "not the name of a job"),
        ({"auth_secret": "wrong"}, "the API token was refused"),
        ({"auth_secret": None}, "auth_secret"),
    ],
)
def test_what_can_never_work(
    server: ScrewdriverStandin, attempt: Attempt, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(PermanentError, match=says):
        ACTION.submit(attempt(), params(**given))
    assert not server.triggers


def test_a_secret_that_is_not_there(attempt: Attempt) -> None:
    with pytest.raises(SecretError):
        ACTION.submit(attempt(), params(auth_secret="missing"))


@pytest.mark.parametrize("connection", [{}, {"url": "sd.example"}, {"url": "http://x", "timeout": "soon"}])
def test_an_unusable_connection_says_so(attempt: Attempt, connection: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="connection is not usable"):
        ACTION.submit(attempt(connection=connection), params())


def test_an_event_without_a_job_is_no_running_job(
    server: ScrewdriverStandin, attempt: Attempt, clock: ShiftedClock
) -> None:
    ctx = attempt()
    server.fault("create", "cut", after=True)
    with pytest.raises(EffectUnknownError):
        ACTION.submit(ctx, params(job_name="gone"))
    handle = ACTION.find(ctx, params(job_name="gone"))
    assert handle is not None
    assert ACTION.poll(ctx, handle, params(job_name="gone")) is None
    clock.shift_s = NO_BUILDS_GRACE_S + 1
    outcome = ACTION.poll(ctx, handle, params(job_name="gone"))
    assert outcome is not None
    assert not outcome.ok
    assert "no job was started" in outcome.message


def test_find_takes_the_exact_key_only(server: ScrewdriverStandin, attempt: Attempt) -> None:
    for number in (10, 1, 11):
        ACTION.submit(attempt(attempt=number), params())
    found = ACTION.find(attempt(attempt=1), params())
    assert found is not None
    assert found.id == "2"
    assert ACTION.find(attempt(attempt=2), params()) is None
    assert server.queries[0]["creator"] == "r1-1"


# --- around it -------------------------------------------------------------------------------------------------------


def test_preview_calls_nothing(server: ScrewdriverStandin, attempt: Attempt) -> None:
    line = ACTION.preview(attempt(), params(alert_parameters=["host"]))
    assert line == "would start job fix of pipeline 1 with host=web1"
    assert not server.calls


def test_check(server: ScrewdriverStandin, attempt: Attempt) -> None:
    assert ACTION.check(attempt(), params()) == []
    assert ACTION.check(attempt(), params(job_name="fx")) == [
        "pipeline 1 has no job 'fx' (did you mean 'fix'?)"
    ]
    (refused,) = ACTION.check(attempt(), params(auth_secret="wrong"))
    assert "refused" in refused


def test_times(attempt: Attempt) -> None:
    given = params(polling_interval="1m", polling_timeout=90)
    assert (ACTION.poll_interval_s(given), ACTION.job_timeout_s(given)) == (60.0, 90.0)
    assert ACTION.lookup_settle_s(attempt(), given) == 75.0
    settled = attempt(connection={"url": "http://x", "lookup_settle": "3s"})
    assert ACTION.lookup_settle_s(settled, given) == 3.0


async def test_through_the_engine(server: ScrewdriverStandin) -> None:
    server.fault("create", "cut", after=True)
    server.job_seconds = 0.3
    ran = await run_action(
        ACTION,
        {
            "pipeline_id": 1,
            "job_name": "fix",
            "alert_tag_parameters": ["check"],
            "extra_parameters": {"who": "{{ host }}"},
            "polling_interval": 0.05,
        },
        alert=an_alert("a1"),
        connections={"screwdriver": {"url": server.url, "auth_secret": "sd-token", "lookup_settle": 0.5}},
        secrets={"sd-token": API_TOKEN},
        clock=SystemClock(),
    )
    assert ran.run.status is RunStatus.SUCCEEDED, ran.run.reason
    assert sum(server.triggers.values()) == 1
    assert server.bodies[0]["meta"]["parameters"]["fix"] == {"check": "disk", "who": "web1"}


def test_errors_never_show_the_token(server: ScrewdriverStandin, attempt: Attempt) -> None:
    for status in (400, 401, 500):
        server.fault("token", status=status)
        with pytest.raises(ActionError) as caught:
            ACTION.submit(attempt(), params())
        assert API_TOKEN not in str(caught.value)
