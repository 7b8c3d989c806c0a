"""The Slack client against the stand-in: what each answer means."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.standins.action_context import ManualClock
from tests.standins.slack import CHANNEL, TOKEN, SlackStandIn

from automation_consumer.errors import (
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from automation_consumer.integrations.slack import IncomingWebhook, Message, SlackClient


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as standin:
        yield standin


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(slack: SlackStandIn, clock: ManualClock) -> Iterator[SlackClient]:
    made = SlackClient(slack.url + "/", lambda: TOKEN, clock)
    yield made
    made.close()


@pytest.fixture
def webhook(clock: ManualClock) -> Iterator[IncomingWebhook]:
    made = IncomingWebhook(clock)
    yield made
    made.close()


def post(client: SlackClient, clock: ManualClock, text: str = "hello", **rest) -> str:
    clock.time += 60
    channel = rest.pop("channel", CHANNEL)
    return client.post_message(channel, Message(text, **rest), "waiter").ts


def test_post_carries_text_blocks_thread_and_marker(slack, client, clock):
    parent = post(client, clock)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*x*"}}]
    post(client, clock, blocks=blocks, thread_ts=parent, run_key="r1-1")
    message = slack.messages()[-1]
    assert (message["text"], message["blocks"], message["thread_ts"]) == ("hello", blocks, parent)
    assert message["metadata"] == {"event_type": "automation_run", "event_payload": {"run_key": "r1-1"}}


def test_a_name_is_answered_with_the_id(client, clock):
    clock.time += 60
    assert client.post_message("#alerts", Message("x"), "w").channel == CHANNEL


@pytest.mark.parametrize(
    ("token", "code", "advice"),
    [("xoxb-wrong", "invalid_auth", "check the secret"), ("", "not_authed", "check the secret")],
)
def test_a_wrong_token(slack, clock, token, code, advice):
    client = SlackClient(slack.url, lambda: token, clock)
    with pytest.raises(PermanentError, match=rf"{code} .*{advice}"):
        client.auth_test()
    client.close()


def test_the_token_is_asked_for_at_every_call(slack, clock):
    tokens = iter(["xoxb-old", TOKEN])
    client = SlackClient(slack.url, lambda: next(tokens), clock)
    with pytest.raises(PermanentError):
        client.auth_test()
    assert client.auth_test() == "Stand-in"
    client.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"member": False}, "not_in_channel .*invite the app"),
        ({"archived": True}, "is_archived"),
        ({"id": "C999999999", "name": "x"}, "channel_not_found .*channel's ID"),
    ],
)
def test_a_channel_that_cannot_be_posted_to(slack, client, clock, change, code):
    for name, value in change.items():
        setattr(slack.channels[CHANNEL], name, value)
    with pytest.raises(PermanentError, match=code):
        post(client, clock)


def test_a_missing_scope_is_named(slack, client, clock):
    slack.scopes = frozenset()
    with pytest.raises(PermanentError, match="add the scope chat:write"):
        post(client, clock)


def test_details_of_a_refusal_are_shown(client, clock):
    with pytest.raises(PermanentError, match="invalid_blocks: no more than 50 items"):
        post(client, clock, blocks=[{"type": "divider"}] * 51)


@pytest.mark.parametrize("fault", ["ratelimited", "rate_limited"])
def test_ok_false_rate_limit_is_temporary(slack, client, clock, fault):
    slack.fail_next(fault)
    with pytest.raises(TemporaryError) as caught:
        post(client, clock)
    assert caught.value.retry_after_s == 1.0
    assert slack.posts == {}


def test_429_is_temporary_and_holds_back_the_whole_channel(slack, client, clock):
    slack.fail_next("429")
    with pytest.raises(TemporaryError) as caught:
        post(client, clock)
    assert caught.value.retry_after_s == 7.0
    with pytest.raises(ThrottledError) as held:
        client.post_message(CHANNEL, Message("x"), "other")
    assert held.value.retry_after_s == 7.0
    assert len(slack.requests) == 0
    clock.time += 7
    client.post_message(CHANNEL, Message("x"), "other")


def test_a_second_message_within_the_second_is_held_back_unsent(slack, client, clock):
    post(client, clock)
    with pytest.raises(ThrottledError, match="one message a second"):
        client.post_message(CHANNEL, Message("x"), "other")
    assert len(slack.messages()) == 1


@pytest.mark.parametrize(
    "fault",
    ["500", "html", "internal_error", "fatal_error", "cut_after", "html_after", "internal_error_after"],
)
def test_after_these_nobody_knows_whether_it_was_posted(slack, client, clock, fault):
    slack.fail_next(fault)
    with pytest.raises(EffectUnknownError):
        post(client, clock, run_key="r1-1")
    assert slack.posts["r1-1"] == fault.endswith("_after")


@pytest.mark.parametrize("fault", ["500", "html", "internal_error", "cut_after", "html_after"])
def test_an_update_may_simply_be_repeated(slack, client, clock, fault):
    ts = post(client, clock)
    slack.fail_next(fault)
    clock.time += 60
    with pytest.raises(TemporaryError):
        client.update_message(CHANNEL, ts, Message("new"), "w")
    clock.time += 60
    assert client.update_message(CHANNEL, ts, Message("new"), "w").ts == ts
    assert [m["text"] for m in slack.messages()] == ["new"]


def test_an_update_replaces_only_the_apps_own(slack, client, clock):
    slack.add_foreign_messages(1)
    with pytest.raises(PermanentError, match="only the app's own"):
        client.update_message(CHANNEL, slack.messages()[0]["ts"], Message("x"), "a")
    clock.time += 60
    with pytest.raises(PermanentError, match="message_not_found"):
        client.update_message(CHANNEL, "1.000001", Message("x"), "b")


def test_nobody_listens():
    client = SlackClient("http://127.0.0.1:1/api", lambda: TOKEN, ManualClock())
    with pytest.raises(TemporaryError):
        client.post_message(CHANNEL, Message("x"), "w")
    client.close()


def test_find_by_marker_over_several_pages(slack, client, clock):
    slack.max_page = 3
    ts = post(client, clock, run_key="r1-1")
    slack.add_foreign_messages(10)
    found = client.find_message(CHANNEL, "r1-1", 0.0)
    assert found is not None
    assert (found.channel, found.ts) == (CHANNEL, ts)
    assert client.find_message(CHANNEL, "r1-2", 0.0) is None
    assert client.find_message(CHANNEL, "r1-1", float(ts) + 1) is None


def test_find_in_a_thread(slack, client, clock):
    parent = post(client, clock)
    ts = post(client, clock, run_key="r1-1", thread_ts=parent)
    assert client.find_message(CHANNEL, "r1-1", 0.0) is None  # history has no replies
    found = client.find_message(CHANNEL, "r1-1", 0.0, parent)
    assert found is not None
    assert found.ts == ts


def test_find_gives_up_rather_than_say_that_there_is_none(slack, client):
    slack.max_page = 1
    slack.add_foreign_messages(11)
    with pytest.raises(LookupImpossibleError, match="more than"):
        client.find_message(CHANNEL, "r1-1", 0.0)


def test_find_is_impossible_by_name_without_scope_or_membership(slack, client):
    with pytest.raises(LookupImpossibleError, match="give the channel's ID"):
        client.find_message("#alerts", "r1-1", 0.0)
    slack.channels[CHANNEL].member = False
    with pytest.raises(LookupImpossibleError, match="not_in_channel"):
        client.find_message(CHANNEL, "r1-1", 0.0)
    slack.scopes = frozenset({"chat:write"})
    with pytest.raises(LookupImpossibleError, match="channels:history"):
        client.find_message(CHANNEL, "r1-1", 0.0)


@pytest.mark.parametrize("fault", ["500", "429", "html", "internal_error", "cut_after"])
def test_find_may_be_repeated(slack, client, fault):
    slack.fail_next(fault)
    with pytest.raises(TemporaryError):
        client.find_message(CHANNEL, "r1-1", 0.0)


def test_webhook_posts(slack, webhook):
    webhook.post(slack.webhook_url, Message("hello", thread_ts="1.2"), "w")
    assert slack.webhook_posts == [{"text": "hello", "thread_ts": "1.2"}]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((404, "no_service"), PermanentError),
        ((410, "channel_is_archived"), PermanentError),
        ((403, "action_prohibited"), PermanentError),
        ((500, "rollup_error"), EffectUnknownError),
        ((200, "<html>"), EffectUnknownError),
        ((202, "ok"), EffectUnknownError),
    ],
)
def test_webhook_only_200_ok_counts_and_the_url_is_never_shown(slack, webhook, answer, kind):
    slack.webhook_answer = answer
    with pytest.raises(kind) as caught:
        webhook.post(slack.webhook_url, Message("hello"), "w")
    assert "s3cr3tpath" not in str(caught.value)


def test_webhook_errors_never_show_the_url(slack, webhook, clock):
    slack.fail_next("429")
    with pytest.raises(TemporaryError) as limited:
        webhook.post(slack.webhook_url, Message("hello"), "a")
    with pytest.raises(ThrottledError) as held:
        webhook.post(slack.webhook_url, Message("hello"), "b")
    clock.time += 60
    slack.fail_next("cut_after")
    with pytest.raises(EffectUnknownError) as cut:
        webhook.post(slack.webhook_url, Message("hello"), "b")
    for caught in (limited, held, cut):
        assert "s3cr3tpath" not in str(caught.value)
    assert held.value.retry_after_s == 7.0


def test_webhook_refuses_a_url_that_is_none(webhook):
    with pytest.raises(PermanentError, match="cannot be sent"):
        webhook.post("$secret:unresolved", Message("x"), "w")
