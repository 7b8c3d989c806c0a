"""The `webhook` action against a real HTTP server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.standins.action_runs import attempt_of
from tests.standins.http_server import HttpServer, Reply, Request

from automation_consumer.actions.change.webhook import Webhook, WebhookParams
from automation_consumer.clock import SystemClock
from automation_consumer.errors import EffectUnknownError, PermanentError, TemporaryError
from automation_consumer.model.outcome import Outcome
from automation_consumer.model.run import RunStatus
from automation_consumer.plugin.registry import check_contract
from automation_consumer.service.clients import SharedClients
from automation_consumer.testing import an_incident, run_action

ACTION = Webhook()


class Target:
    """Where the calls go: keeps them, and answers what the test says."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.reply = Reply(body=b'{"done": true}')
        self.server = HttpServer(self._handle)

    def _handle(self, request: Request) -> Reply:
        self.seen.append(request)
        return self.reply

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture
def call() -> Iterator[Callable[..., Outcome]]:
    clients = SharedClients()

    def run(**fields: Any) -> Outcome:
        ctx = attempt_of(an_incident(), clients=clients, clock=SystemClock(), secrets={"t": "s3cret"})
        return ACTION.run(ctx, WebhookParams.model_validate(fields))

    yield run
    clients.close()


def test_it_keeps_the_contract() -> None:
    check_contract(ACTION, "webhook")


def test_a_mapping_is_sent_as_json(target: Target, call: Callable[..., Outcome]) -> None:
    outcome = call(url=f"{target.url}/in?x=1", body={"a": [1, "ü"]}, headers={"X-A": "b"}, auth_secret="t")
    assert outcome == Outcome(
        True,
        f"POST {target.url} answered 200",
        output='{"done": true}',
        data={"status": 200, "body": {"done": True}},
    )
    (request,) = target.seen
    assert (request.method, request.path, request.query) == ("POST", "/in", {"x": "1"})
    assert json.loads(request.body) == {"a": [1, "ü"]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["idempotency-key"] == "r1-1"
    assert request.headers["x-a"] == "b"


def test_other_bodies(target: Target, call: Callable[..., Outcome]) -> None:
    call(url=target.url, body="text ü", method="PUT")
    call(url=target.url, body="<a/>", headers={"content-type": "text/xml"})
    call(url=target.url, body=[])
    call(url=target.url, method="GET")
    types = [request.headers.get("content-type") for request in target.seen]
    assert [request.body for request in target.seen] == ["text ü".encode(), b"<a/>", b"[]", b""]
    assert types == ["text/plain; charset=utf-8", "text/xml", "application/json", None]
    assert [request.method for request in target.seen] == ["PUT", "POST", "POST", "GET"]


def test_expected_statuses(target: Target, call: Callable[..., Outcome]) -> None:
    target.reply = Reply(404, b"none")
    assert call(url=target.url, expect_status=[200, 404]).ok
    with pytest.raises(PermanentError, match="404: none"):
        call(url=target.url)
    with pytest.raises(PermanentError, match="404"):
        call(url=target.url, expect_status=[200])
    target.reply = Reply(202)
    outcome = call(url=target.url, expect_status=[200])
    assert (outcome.ok, outcome.data) == (False, {"status": 202})
    assert "202, which is not expected" in outcome.message


def test_a_long_answer_is_cut(target: Target, call: Callable[..., Outcome]) -> None:
    target.reply = Reply(body=json.dumps(["x" * 100_000]).encode())
    outcome = call(url=target.url)
    assert outcome.output is not None
    assert len(outcome.output) == 4096
    assert outcome.data == {"status": 200}


def test_an_answer_that_says_json_and_is_not(target: Target, call: Callable[..., Outcome]) -> None:
    target.reply = Reply(body=b"{oops")
    assert call(url=target.url).data == {"status": 200}


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("GET", TemporaryError),
        ("HEAD", TemporaryError),
        ("PUT", TemporaryError),
        ("DELETE", TemporaryError),
        ("POST", EffectUnknownError),
        ("PATCH", EffectUnknownError),
    ],
)
def test_a_lost_answer(
    target: Target, call: Callable[..., Outcome], method: str, kind: type[Exception]
) -> None:
    params = WebhookParams.model_validate({"url": target.url, "method": method})
    assert ACTION.repeatable(params) == (kind is TemporaryError)
    target.reply = Reply(cut=True)
    with pytest.raises(kind):
        call(url=target.url, method=method)


def test_redirects_are_not_followed(target: Target, call: Callable[..., Outcome]) -> None:
    target.reply = Reply(307, headers={"Location": "/other"})
    with pytest.raises(PermanentError, match="redirect"):
        call(url=target.url)
    assert len(target.seen) == 1


def test_messages_keep_path_and_query_to_themselves(target: Target, call: Callable[..., Outcome]) -> None:
    target.reply = Reply(403)
    with pytest.raises(PermanentError) as caught:
        call(url=f"{target.url}/services/SECRET?key=SECRET")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://{{ host }}/x",
        "https://{{ host }}.example/x",
        "https://a.example{{ x }}/x",
        "{{ vars.url }}",
        "{{ scheme }}://a.example/",
        "https://a.example:{{ port }}/",
        "https://{% if x %}a{% endif %}/",
        "https://user:pw@a.example/",
        "https://a.example\\@b.example/",
        "ftp://a.example/",
        "a.example/x",
        "https:///x",
        "",
    ],
)
def test_the_host_is_fixed(url: str) -> None:
    with pytest.raises(ValidationError, match="plain host") as caught:
        # Wrong in another field, too: the host is judged all the same, and not as a value that may still change.
        WebhookParams.model_validate({"url": url, "expect_status": "{{ x }}"})
    assert caught.value.errors()[0]["loc"] == ()


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a.example:8443/x/{{ host }}?q={{ x }}",
        "http://[::1]:80/",
        "$secret:hook",
        "https://a?x",
    ],
)
def test_urls(url: str) -> None:
    assert WebhookParams.model_validate({"url": url}).url == url


@given(st.text(), st.sampled_from(["http://", "https://"]))
@example("\n", "http://")
def test_an_accepted_url_goes_to_the_host_that_it_shows(rest: str, scheme: str) -> None:
    url = f"{scheme}good.example{rest}"
    try:
        params = WebhookParams.model_validate({"url": url, "allowed_hosts": ["good.example"]})
    except ValidationError:
        return
    after = params.url.removeprefix(f"{scheme}good.example")
    assert after == "" or after[0] in "/?#:"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"allowed_hosts": ["b.example"]}, "not in allowed_hosts"),
        ({"allowed_hosts": []}, "not in allowed_hosts"),
        ({"allowed_hosts": ["*.a.example"]}, "not in allowed_hosts"),
        ({"headers": {"Host": "x"}}, "host cannot be set"),
        ({"headers": {"idempotency-key": "x"}}, "idempotency-key cannot be set"),
        ({"headers": {"authorization": "x"}, "auth_secret": "t"}, "not both"),
        ({"method": "TRACE"}, "method"),
        ({"expect_status": []}, "at least 1"),
        ({"expect_status": [99]}, "greater than"),
    ],
)
def test_mistakes(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WebhookParams.model_validate({"url": "https://a.example/", **fields})


@pytest.mark.parametrize("allowed", [["a.example"], ["A.Example"], ["*.example"], ["x", "a.example"]])
def test_allowed_hosts(allowed: list[str]) -> None:
    assert WebhookParams.model_validate({"url": "https://A.example/", "allowed_hosts": allowed})


async def test_through_the_engine_an_alerts_text_stays_in_its_place(target: Target) -> None:
    ran = await run_action(
        ACTION,
        {"url": target.url + "/hosts/{{ host }}", "body": {"t": "{{ title }}"}},
        incident=an_incident(title='"}{{ 7*7 }}'),
        alert=an_incident().alerts[0].__class__("a9", host="../../admin?x=1#"),
        clock=SystemClock(),
    )
    assert ran.run.status is RunStatus.SUCCEEDED, ran.run.reason
    (request,) = target.seen
    assert request.path == "/hosts/..%2F..%2Fadmin%3Fx%3D1%23"
    assert json.loads(request.body) == {"t": '"}{{ 7*7 }}'}


async def test_a_dry_run_sends_nothing(target: Target) -> None:
    ran = await run_action(
        ACTION, {"url": f"{target.url}/x?y=z"}, alert=an_incident().alerts[0], dry_run=True
    )
    assert ran.run.status is RunStatus.PREVIEWED
    assert f"would send POST {target.url}/x" in ran.run.reason
    assert target.seen == []
