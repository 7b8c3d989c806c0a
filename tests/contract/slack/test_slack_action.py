"""The Slack action types against the stand-in, by the contract of a remote job: submit, find, poll, cancel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.standins.action_context import ManualClock, SharedClients, make_context
from tests.standins.slack import CHANNEL, TOKEN, SlackStandIn

from automation_consumer.actions.notify.slack import AlertSlack, IncidentSlack, Slack, SlackParams
from automation_consumer.plugin import (
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    Scope,
    TemporaryError,
)

SECRETS = {"slack-token": TOKEN}


class Bench:
    """The action, its stand-in, and contexts that share their clients."""

    def __init__(self, slack: SlackStandIn) -> None:
        self.slack = slack
        self.action = Slack()
        self.clock = ManualClock()
        self.clients = SharedClients()
        self.connection = {"url": slack.url, "auth_secret": "slack-token", "channel": CHANNEL}

    def ctx(self, run_id: str = "r1", attempt: int = 1, **rest):
        return make_context(
            clock=self.clock,
            clients=self.clients,
            connection=rest.pop("connection", self.connection),
            secrets=SECRETS,
            run_id=run_id,
            attempt=attempt,
            **rest,
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    with SlackStandIn() as slack:
        made = Bench(slack)
        yield made
        made.clients.close()


async def test_a_message_is_posted_and_done(bench):
    params = SlackParams(message="hello")
    handle = bench.action.submit(bench.ctx(), params)
    outcome = await bench.action.poll(bench.ctx(), handle, params)
    (message,) = bench.slack.messages()
    assert outcome.ok
    assert outcome.data == {"channel": CHANNEL, "ts": message["ts"]}
    assert handle.id == message["ts"]
    assert bench.slack.posts == {"r1-1": 1}
    assert bench.action.poll_interval_s(params) == 0
    await bench.action.cancel(bench.ctx(), handle, params)


def test_what_was_posted_and_not_answered_is_found_and_not_posted_again(bench):
    params = SlackParams(message="hello")
    bench.slack.fail_next("cut_after")
    bench.clock.time = float(bench.slack.new_ts())  # the stand-in stamps its messages by the real time
    with pytest.raises(EffectUnknownError):
        bench.action.submit(bench.ctx(), params)
    found = bench.action.find(bench.ctx(), params)
    assert found is not None
    assert found.id == bench.slack.messages()[0]["ts"]
    assert found.data["channel"] == CHANNEL
    assert bench.action.find(bench.ctx(attempt=2), params) is None
    assert bench.slack.posts == {"r1-1": 1}


def test_a_reply_is_found_in_its_thread(bench):
    parent = bench.action.submit(bench.ctx(), SlackParams(message="parent"))
    bench.clock.time = float(parent.id) + 5
    params = SlackParams(message="reply", thread=parent.id)
    reply = bench.action.submit(bench.ctx("r2"), params)
    assert bench.slack.messages()[1]["thread_ts"] == parent.id
    found = bench.action.find(bench.ctx("r2"), params)
    assert found == reply


def test_update_replaces_and_needs_no_look_up(bench):
    first = bench.action.submit(bench.ctx(), SlackParams(message="started"))
    bench.clock.time += 5
    params = SlackParams(message="ended", update=first.id)
    bench.slack.fail_next("cut_after")
    with pytest.raises(TemporaryError):
        bench.action.submit(bench.ctx("r2"), params)
    assert bench.action.find(bench.ctx("r2"), params) is None
    bench.clock.time += 5
    assert bench.action.submit(bench.ctx("r2"), params) == first
    assert [m["text"] for m in bench.slack.messages()] == ["ended"]


def test_a_burst_is_spread_and_every_run_posts_once(bench):
    params = SlackParams(message="hello")
    waiting, sent_at = {f"r{n}": 0.0 for n in range(10)}, []
    start = bench.clock.time
    while waiting:
        for run, due in list(waiting.items()):
            if bench.clock.time < due:
                continue
            try:
                bench.action.submit(bench.ctx(run), params)
            except TemporaryError as error:
                waiting[run] = bench.clock.time + error.retry_after_s
            else:
                sent_at.append(bench.clock.time - start)
                del waiting[run]
        bench.clock.time += 1
    assert sent_at == [float(n) for n in range(10)]
    assert bench.slack.posts == {f"r{n}-1": 1 for n in range(10)}


def test_blocks_alone_get_a_fallback_text(bench):
    blocks = [{"type": "divider"}, {"type": "section", "text": {"type": "mrkdwn", "text": "*disk full*"}}]
    bench.action.submit(bench.ctx(), SlackParams(blocks=blocks))
    bench.clock.time += 5
    bench.action.submit(bench.ctx("r2"), SlackParams(blocks=[{"type": "divider"}]))
    assert [m["text"] for m in bench.slack.messages()] == ["*disk full*", "the_action: inc-1"]
    assert bench.slack.messages()[0]["blocks"] == blocks


async def test_a_webhook_needs_no_token_and_cannot_be_looked_up(bench):
    params = SlackParams(message="hello", webhook_url=bench.slack.webhook_url)
    handle = bench.action.submit(bench.ctx(connection={}), params)
    outcome = await bench.action.poll(bench.ctx(), handle, params)
    assert outcome.ok
    assert outcome.message == "posted through a webhook"
    assert bench.slack.webhook_posts == [{"text": "hello"}]
    with pytest.raises(LookupImpossibleError):
        bench.action.find(bench.ctx(), params)


def test_what_the_action_says_wins_over_the_connection(bench):
    connection = {**bench.connection, "auth_secret": "no-such", "channel": "C000000000"}
    params = SlackParams(message="x", auth_secret="slack-token", channel=CHANNEL)
    bench.action.submit(bench.ctx(connection=connection), params)
    assert len(bench.slack.messages()) == 1


@pytest.mark.parametrize(
    ("missing", "advice"), [("auth_secret", "give auth_secret"), ("channel", "give channel")]
)
def test_what_is_missing_is_said(bench, missing, advice):
    connection = {name: value for name, value in bench.connection.items() if name != missing}
    with pytest.raises(PermanentError, match=advice):
        bench.action.submit(bench.ctx(connection=connection), SlackParams(message="x"))


async def test_preview_calls_nothing(bench):
    assert (
        await bench.action.preview(bench.ctx(), SlackParams(message="hello"))
        == f"would post to {CHANNEL}: hello"
    )
    update = SlackParams(message="hello", update="1.2")
    assert await bench.action.preview(bench.ctx(), update) == f"would replace 1.2 in {CHANNEL}: hello"
    webhook = SlackParams(message="hello", webhook_url="https://hooks.slack.com/services/x")
    text = await bench.action.preview(bench.ctx(), webhook)
    assert text == "would post through a webhook: hello"
    assert bench.slack.requests == []


def test_check_asks_slack_who_we_are(bench):
    assert bench.action.check(bench.ctx(), SlackParams(message="x")) == []
    wrong = bench.action.check(
        bench.ctx(connection={**bench.connection, "auth_secret": None}), SlackParams(message="x")
    )
    assert len(wrong) == 1
    assert bench.slack.requests[0][0] == "auth.test"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give message, or blocks"),
        ({"message": "x", "webhook_url": "https://h", "auth_secret": "s"}, "not both"),
        ({"message": "x", "webhook_url": "https://h", "update": "1.2"}, "cannot replace"),
        ({"message": "x", "webhook_url": "https://{{ host }}/x"}, "cannot be a template"),
        ({"message": "x", "webhook_url": "hooks.slack.com"}, "write \\$secret:NAME"),
        ({"message": "x" * 40_001}, "at most 40000"),
        ({"blocks": [{}] * 51}, "at most 50"),
        ({"blocks": []}, "at least 1"),
        ({"message": "x", "chanel": "y"}, "Extra inputs"),
    ],
)
def test_params_that_make_no_sense(fields, message):
    with pytest.raises(ValueError, match=message):
        SlackParams(**fields)


def test_incident_values_are_escaped_in_both_texts():
    assert SlackParams.escaping("message") == SlackParams.escaping("blocks") == "slack"
    assert SlackParams.escaping("channel") == "none"


def test_scopes():
    assert (Slack.scope, AlertSlack.scope, IncidentSlack.scope) == (Scope.ANY, Scope.ALERT, Scope.INCIDENT)
