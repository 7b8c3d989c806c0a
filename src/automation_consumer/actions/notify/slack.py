"""The action types `slack`, `alert_slack` and `incident_slack`: post or replace a Slack message."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, field_validator, model_validator

from automation_consumer.integrations.slack import API_URL, IncomingWebhook, Message, Posted, SlackClient
from automation_consumer.plugin import (
    ActionContext,
    ActionError,
    Effect,
    Escape,
    Handle,
    LookupImpossibleError,
    Outcome,
    Params,
    PermanentError,
    RemoteJob,
    Scope,
    SecretName,
)

MAX_TEXT: Final = 40_000
MAX_BLOCKS: Final = 50
_CLOCK_SKEW_S: Final = 60.0
_APPEARS_WITHIN_S: Final = 5.0


class SlackParams(Params):
    """What is posted, where, and as whom."""

    channel: str | None = Field(
        None,
        min_length=1,
        description="The channel: its ID (C0123456789), or its name. Only with the ID can a message be looked up"
        " after a crash. By default the connection's `channel`.",
    )
    message: Annotated[str | None, Escape("slack")] = Field(
        None,
        max_length=MAX_TEXT,
        description="The text, in Slack's mrkdwn. With blocks: what notifications show.",
    )
    blocks: Annotated[list[dict[str, Any]] | None, Escape("slack")] = Field(
        None, min_length=1, max_length=MAX_BLOCKS, description="Block Kit blocks, as Slack documents them."
    )
    thread: str | None = Field(None, description="The ts of the message to answer in its thread.")
    webhook_url: str | None = Field(
        None, description="An incoming webhook, usually `$secret:NAME`, instead of a bot token."
    )
    auth_secret: SecretName | None = Field(
        None, description="The secret with the bot token (scope chat:write). By default the connection's."
    )
    update: str | None = Field(
        None, description="The ts of a message of this bot to replace, instead of posting a new one."
    )

    @field_validator("webhook_url")
    @classmethod
    def _fixed(cls, url: str | None) -> str | None:
        if url is not None and ("{{" in url or "{%" in url):
            raise ValueError("a webhook URL cannot be a template: an incident must not choose where it goes")
        if url is not None and not url.startswith(("https://", "http://", "$secret:")):
            raise ValueError("write $secret:NAME, or an https URL")
        return url

    @model_validator(mode="after")
    def _sense(self) -> SlackParams:
        if self.message is None and self.blocks is None:
            raise ValueError("give message, or blocks, or both")
        if self.webhook_url is not None and self.auth_secret is not None:
            raise ValueError("give webhook_url or auth_secret, not both")
        if self.webhook_url is not None and self.update is not None:
            raise ValueError("a webhook cannot replace a message: update needs a bot token (auth_secret)")
        return self


class _SlackMessage(RemoteJob[SlackParams]):
    """A message is done when it is posted. It is a remote job because it can be looked up after a crash."""

    Params = SlackParams
    effect = Effect.NOTIFY
    connection = "slack"

    def submit(self, ctx: ActionContext, params: SlackParams) -> Handle:
        message = Message(
            text=_text(ctx, params),
            blocks=params.blocks,
            thread_ts=params.thread or None,
            run_key=ctx.run_key,
        )
        if params.webhook_url is not None:
            webhook = ctx.clients.get(("slack_webhook",), lambda: IncomingWebhook(ctx.clock))
            webhook.post(params.webhook_url, message, ctx.run_id)
            return Handle(ctx.run_key)
        client, channel = _client(ctx, params), _channel(ctx, params)
        if params.update:
            posted = client.update_message(channel, params.update, message, ctx.run_id)
        else:
            posted = client.post_message(channel, message, ctx.run_id)
        return _handle(posted)

    def find(self, ctx: ActionContext, params: SlackParams) -> Handle | None:
        if params.webhook_url is not None:
            raise LookupImpossibleError("a message posted through a webhook cannot be looked up")
        if params.update:
            return None  # replacing a message twice does no harm
        posted = _client(ctx, params).find_message(
            _channel(ctx, params), ctx.run_key, ctx.started_at - _CLOCK_SKEW_S, params.thread or None
        )
        return _handle(posted) if posted is not None else None

    async def poll(self, ctx: ActionContext, handle: Handle, params: SlackParams) -> Outcome:
        where = "through a webhook" if params.webhook_url is not None else f"in {handle.data.get('channel')}"
        return Outcome.success(f"{'replaced' if params.update else 'posted'} {where}", data=handle.data)

    async def cancel(self, ctx: ActionContext, handle: Handle, params: SlackParams) -> None:
        """A message that was posted stays."""

    async def preview(self, ctx: ActionContext, params: SlackParams) -> str:
        if params.webhook_url is not None:
            return f"would post through a webhook: {_text(ctx, params)[:100]}"
        verb = f"replace {params.update} in" if params.update else "post to"
        return f"would {verb} {_channel(ctx, params)}: {_text(ctx, params)[:100]}"

    def check(self, ctx: ActionContext, params: SlackParams) -> list[str]:
        if params.webhook_url is not None:
            return []  # nothing can be asked of a webhook without posting
        try:
            _channel(ctx, params)
            _client(ctx, params).auth_test()
        except ActionError as error:
            return [str(error)]
        return []

    def poll_interval_s(self, params: SlackParams) -> float:
        return 0.0

    def lookup_settle_s(self, ctx: ActionContext, params: SlackParams) -> float:
        return _APPEARS_WITHIN_S


class Slack(_SlackMessage):
    """Posts a Slack message, or replaces one.

    Values from the incident are escaped, so that an alert cannot ping a channel or make a link. Slack takes about
    one message a second and channel: further ones wait without holding a thread. The message carries the run's key,
    and is looked up by it after a crash (scopes channels:history or groups:history, and the channel's ID).

    Example:
        name: tell_slack
        type: slack
        channel: C0123456789
        message: "{{ incident.title }}: {{ incident.alert_count }} alerts"
        auth_secret: slack-token
    """

    type: ClassVar[str] = "slack"


class AlertSlack(_SlackMessage):
    """Posts a Slack message for an alert.

    As `slack`, for `alert_actions` only.

    Example:
        name: tell_slack_of_host
        type: alert_slack
        channel: C0123456789
        message: "{{ host }} is {{ alert.status }}: {{ alert.description }}"
        auth_secret: slack-token
    """

    type: ClassVar[str] = "alert_slack"
    scope = Scope.ALERT


class IncidentSlack(_SlackMessage):
    """Posts a Slack message for an incident.

    As `slack`, for `incident_actions`, `on_success` and `on_failure` only.

    Example:
        name: tell_slack_of_incident
        type: incident_slack
        webhook_url: $secret:slack-webhook
        message: "{{ incident.title }} has {{ incident.alert_count }} alerts"
    """

    type: ClassVar[str] = "incident_slack"
    scope = Scope.INCIDENT


def _handle(posted: Posted) -> Handle:
    return Handle(posted.ts, data={"channel": posted.channel, "ts": posted.ts})


def _client(ctx: ActionContext, params: SlackParams) -> SlackClient:
    name = params.auth_secret or ctx.connection.get("auth_secret")
    if not name:
        raise PermanentError(
            "Slack: no token",
            hint="give auth_secret or webhook_url, in the action or in the connection `slack`",
        )
    url = str(ctx.connection.get("url") or API_URL)
    secret, clock = ctx.secret, ctx.clock
    return ctx.clients.get(
        ("slack", url, str(name)), lambda: SlackClient(url, lambda: secret(str(name)), clock)
    )


def _channel(ctx: ActionContext, params: SlackParams) -> str:
    channel = params.channel or ctx.connection.get("channel")
    if not channel:
        raise PermanentError(
            "Slack: no channel", hint="give channel, in the action or in the connection `slack`"
        )
    return str(channel)


def _text(ctx: ActionContext, params: SlackParams) -> str:
    """The message; with blocks alone, their first text: notifications and screen readers show nothing else."""
    if params.message is not None:
        return params.message
    found = _first_text(params.blocks or [])
    return (found or f"{ctx.action}: {ctx.incident.id}")[:MAX_TEXT]


def _first_text(blocks: list[dict[str, Any]]) -> str:
    for block in blocks:
        text = block.get("text")
        if isinstance(text, dict):
            text = text.get("text")
        if isinstance(text, str) and text:
            return text
    return ""
