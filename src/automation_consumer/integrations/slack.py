"""Slack's Web API and incoming webhooks, as far as posting, replacing and finding messages needs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from automation_consumer.clock import Clock
from automation_consumer.errors import (
    ActionError,
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from automation_consumer.integrations.http import HttpClient, HttpResponse
from automation_consumer.integrations.slack_limit import ChannelLimiter

API_URL: Final = "https://slack.com/api"
EVENT_TYPE: Final = "automation_run"
_PAGE: Final = 200
_MAX_PAGES: Final = 10
_CHANNEL_ID: Final = re.compile(r"^[CDG][A-Z0-9]{6,}$")
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}

_RATE_LIMITED: Final = frozenset({"ratelimited", "rate_limited"})
_SERVER_FAILED: Final = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_HINTS: Final = {
    "channel_not_found": "use the channel's ID, and invite the app to a private channel",
    "not_in_channel": "invite the app to the channel",
    "is_archived": "the channel is archived",
    "invalid_auth": "the bot token is not valid: check the secret",
    "not_authed": "the bot token is empty: check the secret",
    "token_revoked": "install the app again and renew the secret",
    "token_expired": "install the app again and renew the secret",
    "account_inactive": "install the app again and renew the secret",
    "cant_update_message": "only the app's own messages can be replaced",
    "message_not_found": "`update` is the ts of a message in this channel",
    "msg_blocks_too_long": "keep all blocks together below 10,000 characters",
}


class Posted(msgspec.Struct, frozen=True):
    """A message in Slack. `ts` is its id, unique within `channel` (the channel's ID)."""

    channel: str
    ts: str


class Message(msgspec.Struct, frozen=True):
    """What is posted. `text` is what notifications show when there are `blocks`; `run_key` marks the message."""

    text: str
    blocks: Sequence[Mapping[str, Any]] | None = None
    thread_ts: str | None = None
    run_key: str | None = None

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"text": self.text}
        if self.blocks:
            body["blocks"] = list(self.blocks)
        if self.thread_ts:
            body["thread_ts"] = self.thread_ts
        return body


class SlackClient:
    """A bot's view of one workspace. Thread-safe; every call blocks and raises one of the three `ActionError`s."""

    def __init__(self, url: str, token: Callable[[], str], clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._http = HttpClient("Slack", clock=clock)
        self._limiter = ChannelLimiter(clock)

    def auth_test(self) -> str:
        """The name of the workspace that the token is for."""
        return str(self._post("auth.test", {}, repeatable=True).get("team", ""))

    def post_message(self, channel: str, message: Message, waiter: str) -> Posted:
        """Post. ThrottledError when the channel has had its message of this second; `waiter` then keeps its place."""
        body = {"channel": channel, **message.body()}
        if message.run_key:
            body["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"run_key": message.run_key}}
        return self._send("chat.postMessage", channel, body, waiter, repeatable=False)

    def update_message(self, channel: str, ts: str, message: Message, waiter: str) -> Posted:
        """Replace a message of this bot. Doing it twice does no harm."""
        body = {"channel": channel, "ts": ts, **message.body()}
        return self._send("chat.update", channel, body, waiter, repeatable=True)

    def find_message(
        self, channel: str, run_key: str, oldest: float, thread_ts: str | None = None
    ) -> Posted | None:
        """The message that carries `run_key`, not older than `oldest` (epoch seconds); None when there is none.

        LookupImpossibleError when the bot may not read the channel, or it is given by its name.
        """
        if not _CHANNEL_ID.match(channel):
            raise LookupImpossibleError(
                f"Slack: messages of {channel!r} can't be looked up by the channel's name",
                hint="give the channel's ID, such as C0123456789",
            )
        query: dict[str, str | int] = {
            "channel": channel,
            "oldest": f"{oldest:.6f}",
            "limit": _PAGE,
            "include_all_metadata": "true",
        }
        method = "conversations.history"
        if thread_ts:
            method, query = "conversations.replies", {**query, "ts": thread_ts}
        try:
            ts = self._search(method, query, run_key)
        except PermanentError as error:
            raise LookupImpossibleError(f"a message can't be looked up: {error}") from error
        return Posted(channel, ts) if ts else None

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def _search(self, method: str, query: dict[str, str | int], run_key: str) -> str | None:
        for _ in range(_MAX_PAGES):
            page = self._get(method, query)
            for message in page.get("messages") or ():
                metadata = message.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("run_key") == run_key:
                    return str(message["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return None
            query = {**query, "cursor": cursor}
        raise LookupImpossibleError(
            f"Slack: more than {_MAX_PAGES * _PAGE} messages since the run began; its own was not among them"
        )

    def _send(
        self, method: str, channel: str, body: dict[str, Any], waiter: str, *, repeatable: bool
    ) -> Posted:
        self._limiter.take(channel, waiter)
        try:
            answer = self._post(method, body, repeatable=repeatable)
        except TemporaryError as error:
            if error.retry_after_s:
                self._limiter.hold_back(channel, error.retry_after_s)
            raise
        return Posted(str(answer.get("channel") or channel), str(answer.get("ts") or body.get("ts") or ""))

    def _post(self, method: str, body: dict[str, Any], *, repeatable: bool) -> dict[str, Any]:
        answer = self._http.request(
            "POST",
            f"{self._url}/{method}",
            headers={**_JSON, **self._authorization()},
            json=body,
            repeatable=repeatable,
        )
        return _checked(method, answer, repeatable=repeatable)

    def _get(self, method: str, query: dict[str, str | int]) -> dict[str, Any]:
        answer = self._http.request(
            "GET", f"{self._url}/{method}", headers=self._authorization(), params=query
        )
        return _checked(method, answer, repeatable=True)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}


class IncomingWebhook:
    """Posts through webhook URLs, which are secrets themselves and never appear in a message. Thread-safe; blocks."""

    def __init__(self, clock: Clock) -> None:
        self._http = HttpClient("Slack webhook", show_path=False, clock=clock)
        self._limiter = ChannelLimiter(clock)

    def post(self, url: str, message: Message, waiter: str) -> None:
        """Post; only `200 ok` counts. ThrottledError as for `SlackClient.post_message`."""
        try:
            self._limiter.take(url, waiter)
        except ThrottledError as error:
            raise ThrottledError(
                "Slack takes about one message a second for a webhook", retry_after_s=error.retry_after_s
            ) from None  # the first message has the URL
        try:
            answer = self._http.request("POST", url, headers=_JSON, json=message.body())
        except TemporaryError as error:
            if error.retry_after_s:
                self._limiter.hold_back(url, error.retry_after_s)
            raise
        if answer.status != 200 or answer.text.strip() != "ok":
            raise EffectUnknownError(f"{answer.what} answered {answer.status}, but not 'ok'")

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()


def _checked(method: str, answer: HttpResponse, *, repeatable: bool) -> dict[str, Any]:
    """The answer when it says `ok: true`; Slack sends HTTP 200 with its refusals, too."""
    body = answer.json()
    if not isinstance(body, dict) or "ok" not in body:
        text = f"Slack: {method} answered something that is not Slack's"
        raise TemporaryError(text) if repeatable else EffectUnknownError(f"{text}; the message may be there")
    if body["ok"] is True:
        return body
    raise _refusal(method, body, repeatable=repeatable)


def _refusal(method: str, body: Mapping[str, Any], *, repeatable: bool) -> ActionError:
    code = str(body.get("error") or "unknown_error")[:100]
    message = f"Slack: {method} answered {code}"
    if code in _RATE_LIMITED:
        return TemporaryError(message, retry_after_s=1.0)
    if code in _SERVER_FAILED:
        if repeatable:
            return TemporaryError(message)
        return EffectUnknownError(f"{message}; the message may be there")
    if code == "missing_scope":
        needed = str(body.get("needed") or "?")[:100]
        return PermanentError(message, hint=f"add the scope {needed} to the app and install it again")
    details = (body.get("response_metadata") or {}).get("messages") or ()
    if details:
        message += f": {'; '.join(str(detail)[:200] for detail in details[:3])}"
    return PermanentError(message, hint=_HINTS.get(code))
