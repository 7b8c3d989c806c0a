"""The Screwdriver client: sessions, marking, parameters and what builds mean."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.errors import EffectUnknownError, PermanentError, TemporaryError
from automation_consumer.integrations.screwdriver import (
    MAX_CAUSE_CHARS,
    SKIP_FURTHER,
    ScrewdriverClient,
    cause_message,
    checked_job_name,
    lost_parameters,
    placed,
)
from automation_consumer.integrations.screwdriver_auth import SessionTokens, usable_s
from automation_consumer.integrations.screwdriver_status import Build, as_build, deciding_build
from automation_consumer.testing import FakeClock

API = "https://sd.example/v4"


def jwt(**claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.sig"


class MovedClock(FakeClock):
    """A clock that a test sets by hand."""

    moved_s = 0.0

    def now(self) -> float:
        return super().now() + self.moved_s

    def monotonic(self) -> float:
        return super().monotonic() + self.moved_s


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def client(clock: MovedClock) -> Iterator[ScrewdriverClient]:
    made = ScrewdriverClient("https://sd.example/v4/", lambda: "api-token", clock=clock)
    yield made
    made.close()


def allow(server: responses.RequestsMock, *tokens: str) -> None:
    for token in tokens or (jwt(iat=0, exp=7200),):
        server.get(f"{API}/auth/token", json={"token": token})


def calls(server: responses.RequestsMock, part: str) -> list[Any]:
    return [call.request for call in server.calls if part in call.request.url]


# --- the session ---------------------------------------------------------------------------------------------------


def test_the_api_token_goes_in_a_header_and_the_jwt_is_kept(
    server: responses.RequestsMock, client: ScrewdriverClient
) -> None:
    allow(server, jwt(iat=0, exp=7200, n=1))
    server.get(f"{API}/events/1/builds", json=[])
    assert client.builds(1) == []
    client.builds(1)
    (exchange,) = calls(server, "auth/token")
    assert exchange.headers["Authorization"] == "Bearer api-token"
    assert "token=" not in exchange.url
    assert calls(server, "builds")[0].headers["Authorization"] == f"Bearer {jwt(iat=0, exp=7200, n=1)}"


def test_the_jwt_is_replaced_five_minutes_before_its_end(
    server: responses.RequestsMock, client: ScrewdriverClient, clock: MovedClock
) -> None:
    allow(server, jwt(iat=0, exp=7200, n=1), jwt(iat=0, exp=7200, n=2))
    server.get(f"{API}/events/1/builds", json=[])
    client.builds(1)
    clock.moved_s = 6899
    client.builds(1)
    assert len(calls(server, "auth/token")) == 1
    clock.moved_s = 6901
    client.builds(1)
    assert len(calls(server, "auth/token")) == 2


def test_usable_s() -> None:
    assert usable_s(jwt(iat=100, exp=7300), now=5_000_000) == 6900
    assert usable_s(jwt(exp=7300), now=100) == 6900
    assert usable_s(jwt(iat=100, exp=160), now=0) == 30
    assert usable_s(jwt(exp=50), now=100) == 0
    for opaque in (jwt(), "opaque", "a.b.c", "..", jwt(exp="soon"), jwt(exp=True)):
        assert usable_s(opaque, now=0) == 3300


@given(st.text())
def test_usable_s_takes_any_text(token: str) -> None:
    assert usable_s(token, 0.0) >= 0


def test_one_exchange_serves_all_threads(clock: MovedClock) -> None:
    started, go_on = threading.Event(), threading.Event()
    made: list[int] = []

    def exchange() -> str:
        made.append(1)
        started.set()
        assert go_on.wait(10)
        return "jwt"

    tokens = SessionTokens(exchange, clock)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(tokens.get)
        assert started.wait(10)
        others = [pool.submit(tokens.get) for _ in range(7)]
        go_on.set()
        assert {future.result(10) for future in [first, *others]} == {"jwt"}
    assert len(made) == 1


def test_a_failed_exchange_fails_and_is_tried_again(clock: MovedClock) -> None:
    answers: list[Any] = [TemporaryError("down"), "jwt"]

    def exchange() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    tokens = SessionTokens(exchange, clock)
    with pytest.raises(TemporaryError, match="down"):
        tokens.get()
    assert tokens.get() == "jwt"


def test_a_refused_jwt_is_replaced_once(server: responses.RequestsMock, client: ScrewdriverClient) -> None:
    allow(server, jwt(n=1), jwt(n=2), jwt(n=3))
    server.get(f"{API}/events/1/builds", status=401, json={"message": "Expired token"})
    with pytest.raises(PermanentError, match="Expired token"):
        client.builds(1)
    assert len(calls(server, "builds")) == 2
    assert len(calls(server, "auth/token")) == 2


def test_a_refused_api_token_says_what_to_check(
    server: responses.RequestsMock, client: ScrewdriverClient
) -> None:
    server.get(f"{API}/auth/token", status=401, json={"message": "Invalid token"})
    with pytest.raises(PermanentError, match="auth_secret") as caught:
        client.builds(1)
    assert "api-token" not in str(caught.value)


@pytest.mark.parametrize("body", [{"token": ""}, {}, []])
def test_an_exchange_without_a_token(
    server: responses.RequestsMock, client: ScrewdriverClient, body: Any
) -> None:
    server.get(f"{API}/auth/token", json=body)
    with pytest.raises(PermanentError, match="without a token"):
        client.builds(1)


# --- starting and finding --------------------------------------------------------------------------------------------


def test_what_a_start_sends(server: responses.RequestsMock, client: ScrewdriverClient) -> None:
    allow(server)
    server.post(f"{API}/events", status=201, json={"id": 5})
    event = client.create_event(1, "fix", {"host": "web1"}, key="r1-1", cause="incident I")
    assert (event.id, event.pipeline_id) == (5, 1)
    body = json.loads(calls(server, "v4/events")[0].body)
    assert body == {
        "pipelineId": 1,
        "startFrom": "fix",
        "causeMessage": "incident I [skip further]",
        "creator": {"name": "r1-1", "username": "r1-1"},
        "meta": {"parameters": {"host": "web1", "fix": {"host": "web1"}}, "ext": {"run_key": "r1-1"}},
    }


def test_after_a_401_a_start_is_looked_up_before_it_is_repeated(
    server: responses.RequestsMock, client: ScrewdriverClient
) -> None:
    allow(server, jwt(n=1), jwt(n=2))
    server.post(f"{API}/events", status=401, json={"message": "Bad credentials"})
    server.get(f"{API}/pipelines/1/events", json=[{"id": 9, "creator": {"name": "r1-1"}}])
    assert client.create_event(1, "fix", {}, key="r1-1", cause="").id == 9
    assert len(calls(server, "v4/events")) == 1


@pytest.mark.parametrize("body", [{}, [], {"id": "7"}])
def test_a_start_without_an_id_is_unknown(
    server: responses.RequestsMock, client: ScrewdriverClient, body: Any
) -> None:
    allow(server)
    server.post(f"{API}/events", status=201, json=body)
    with pytest.raises(EffectUnknownError):
        client.create_event(1, "fix", {}, key="k", cause="")


def test_find_is_exact(server: responses.RequestsMock, client: ScrewdriverClient) -> None:
    allow(server)
    rows = [
        {"id": 3, "creator": {"name": "r1-11"}},
        "junk",
        {"id": 2, "creator": {"name": "bot"}, "meta": {"ext": {"run_key": "r1-1"}}},
    ]
    server.get(f"{API}/pipelines/1/events", json=rows)
    found = client.find_event(1, "r1-1")
    assert found is not None
    assert found.id == 2
    assert client.find_event(1, "r1-2") is None
    assert "creator=r1-1&" in calls(server, "pipelines")[0].url


def test_an_odd_answer_to_find_is_not_taken_for_nothing(
    server: responses.RequestsMock, client: ScrewdriverClient
) -> None:
    allow(server)
    server.get(f"{API}/pipelines/1/events", json={"rows": []})
    with pytest.raises(TemporaryError, match="not a list"):
        client.find_event(1, "k")


def test_ui_links() -> None:
    links = {
        ScrewdriverClient(url, str, ui_url=ui).event_url(1, 2)
        for url, ui in (("https://sd/v4", None), ("https://sd/", None), ("https://api", "https://sd/"))
    }
    assert links == {"https://sd/pipelines/1/events/2"}


@pytest.mark.parametrize("name", ["a", "a-b_2", "stage@x", "stage@x:setup"])
def test_job_names(name: str) -> None:
    assert checked_job_name(name) == name


@pytest.mark.parametrize("name", ["", "~commit", "~sd@2:main", "PR-1:main", "a b", "a\n", "ä", "~pr"])
def test_names_that_start_something_else_are_refused(name: str) -> None:
    with pytest.raises(PermanentError, match="not the name of a job"):
        checked_job_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "[skip further]",
        "[SKIP  Further] x",
        "[skip_further]",
        "[skip [skip further]further]",
        "[skip ci]",
        "[[skip further",
    ],
)
def test_a_marker_in_the_text_is_stripped(text: str) -> None:
    cause = cause_message(text)
    assert cause.endswith(SKIP_FURTHER)
    assert re.findall(r"\[[^]]*\]", cause) == [SKIP_FURTHER]


@given(st.text(max_size=2000))
def test_every_cause_has_our_marker_once_and_fits(text: str) -> None:
    cause = cause_message(text)
    assert cause.count("[") == 1
    assert cause.endswith(SKIP_FURTHER)
    assert len(cause) <= MAX_CAUSE_CHARS
    assert cause.isprintable()


# --- parameters ------------------------------------------------------------------------------------------------------


def test_lost_parameters() -> None:
    sent = {"a": "1", "b": "2"}
    at_job = {"fix": {"a": {"value": "1", "default": "x"}, "b": {"value": "2", "default": ""}}}
    at_pipeline = {"a": {"value": "1", "default": "x"}, "b": "2", "fix": {}}
    assert lost_parameters(at_job, "fix", sent) == []
    assert lost_parameters(at_pipeline, "fix", sent) == []
    assert lost_parameters({"fix": {"a": {"value": "x", "default": "x"}}}, "fix", sent) == ["a", "b"]
    assert lost_parameters({}, "fix", sent) == ["a", "b"]
    assert lost_parameters({"fix": {"a": {"value": 1}, "b": True}}, "fix", {"a": "1", "b": "true"}) == []


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text(min_size=1))
def test_what_the_server_keeps_as_sent_is_not_lost(sent: dict[str, str], job: str) -> None:
    assert lost_parameters(placed(job, sent), job, sent) == []


def test_dropped_parameters_stop_the_job(server: responses.RequestsMock, client: ScrewdriverClient) -> None:
    allow(server)
    row = {"id": 5, "meta": {"parameters": {"fix": {"other": {"value": "o"}}}}}
    server.post(f"{API}/events", status=201, json=row)
    server.put(f"{API}/events/5/stop", json={})
    with pytest.raises(PermanentError, match=r"host.*was stopped.*pipelines/1/events/5"):
        client.create_event(1, "fix", {"host": "web1"}, key="k", cause="")
    assert len(calls(server, "/stop")) == 1


def test_a_job_that_could_not_be_stopped_is_told(
    server: responses.RequestsMock, client: ScrewdriverClient
) -> None:
    allow(server)
    server.post(f"{API}/events", status=201, json={"id": 5, "meta": {}})
    server.put(f"{API}/events/5/stop", status=403, json={"message": "no"})
    with pytest.raises(PermanentError, match="could NOT be stopped"):
        client.create_event(1, "fix", {"host": "web1"}, key="k", cause="")


# --- builds ----------------------------------------------------------------------------------------------------------


def build(number: int, status: str, job: int = 1, ended: str | None = "2026-01-01T00:00:12.000Z") -> Build:
    return Build(number, job, status, "2026-01-01T00:00:00.000Z", ended)


@pytest.mark.parametrize("status", ["CREATED", "QUEUED", "BLOCKED", "RUNNING", "FROZEN", "NEW_STATUS"])
def test_open_statuses(status: str) -> None:
    assert deciding_build([build(1, status, ended=None)]) is None


@pytest.mark.parametrize(
    ("status", "good"),
    [("SUCCESS", True), ("UNSTABLE", True), ("FAILURE", False), ("ABORTED", False), ("COLLAPSED", False)],
)
def test_final_statuses(status: str, good: bool) -> None:
    found = deciding_build([build(1, status)])
    assert found is not None
    assert (found.succeeded, found.failed) == (good, not good)
    assert found.summary() == f"{status} in 12 s"


def test_rules_of_several_builds() -> None:
    assert deciding_build([]) is None
    assert deciding_build([build(1, "UNSTABLE", ended=None)]) is None
    assert deciding_build([build(1, "SUCCESS"), build(2, "CREATED", job=2)]) is None
    assert deciding_build([build(1, "FAILURE"), build(2, "RUNNING", job=2)]) is None
    stuck = deciding_build([build(2, "CREATED", job=2), build(1, "FAILURE")])
    assert stuck is not None
    assert stuck.id == 1
    again = deciding_build([build(3, "SUCCESS"), build(1, "FAILURE")])
    assert again is not None
    assert again.succeeded


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["id", "jobId", "status", "startTime", "endTime", "meta"], json_values)
    )
)
def test_any_row_is_a_build_or_none(row: dict[str, Any]) -> None:
    found = as_build(row)
    if found is not None:
        assert found.summary()
