"""The action type `webhook`: one HTTP request."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import orjson
from pydantic import Field, model_validator

from automation_consumer.integrations.http import HttpClient, HttpResponse
from automation_consumer.model.outcome import Outcome
from automation_consumer.plugin.action import Effect, ShortAction
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Escape, Params, SecretName

MAX_OUTPUT_CHARS = 4096
MAX_DATA_BYTES = 16 * 1024
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_OWN_HEADERS = frozenset({"idempotency-key", "host", "content-length", "transfer-encoding", "connection"})
_HOST = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?=[/?#]|\Z)")
_SECRET = re.compile(r"\$secret:[A-Za-z0-9._-]+")


class WebhookParams(Params):
    """What a webhook call needs."""

    url: Annotated[str, Escape("url")] = Field(
        description="Where to. Templates may stand in path and query, not in scheme, host or port."
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(
        "POST", description="The HTTP method."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers.")
    body: dict[str, Any] | list[Any] | str | None = Field(
        None, description="What is sent: a mapping or a list as JSON, a text as it is."
    )
    auth_secret: SecretName | None = Field(None, description="Secret that is sent as Bearer token.")
    expect_status: list[Annotated[int, Field(ge=200, le=599)]] | None = Field(
        None, description="Statuses that mean success; by default any 2xx.", min_length=1
    )
    allowed_hosts: list[str] | None = Field(
        None, description="The hosts that `url` may have: names, or *.DOMAIN for every host below it."
    )

    @model_validator(mode="before")
    @classmethod
    def _host_is_fixed(cls, fields: Any) -> Any:
        # Before the fields: so it judges the template itself when the YAML is read, not only what it renders to.
        url = fields.get("url") if isinstance(fields, dict) else None
        if isinstance(url, str) and not (_HOST.match(url) or _SECRET.fullmatch(url)):
            raise ValueError(
                "url must begin with http:// or https:// and a plain host: no template, no user info there"
            )
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = {name.lower() for name in self.headers}
        own = sorted(names & _OWN_HEADERS)
        if own:
            raise ValueError(f"headers: {', '.join(own)} cannot be set, the call sets it itself")
        if self.auth_secret and "authorization" in names:
            raise ValueError("either auth_secret or an Authorization header, not both")
        host = urlsplit(self.url).hostname
        if host is not None and self.allowed_hosts is not None and not _allowed(host, self.allowed_hosts):
            raise ValueError(f"host {host!r} is not in allowed_hosts")
        return self


class Webhook(ShortAction[WebhookParams]):
    """Sends one HTTP request.

    Every request carries the header `Idempotency-Key` with the run's key. Redirects are not followed. A call
    by GET, HEAD, PUT or DELETE may be repeated after a crash; one by POST or PATCH is not.

    Example:
        name: tell_inventory
        type: webhook
        url: https://inventory.example/api/hosts/{{ host }}/incidents
        method: POST
        headers: {X-Source: automation}
        body: {incident: "{{ incident.id }}", severity: "{{ severity }}"}
        auth_secret: inventory-token
        expect_status: [200, 201]
        allowed_hosts: [inventory.example]
    """

    type = "webhook"
    Params = WebhookParams
    effect = Effect.CHANGE

    def run(self, ctx: ActionContext, params: WebhookParams) -> Outcome:
        answer = _client(ctx).send(
            params.method,
            params.url,
            headers=_headers(ctx, params),
            json=None if isinstance(params.body, str) else params.body,
            data=params.body if isinstance(params.body, str) else None,
            repeatable=self.repeatable(params),
        )
        message = f"{answer.what.partition(': ')[2]} answered {answer.status}"
        expected = params.expect_status
        if expected is not None and answer.status not in expected:
            answer.check()
            return Outcome.failure(f"{message}, which is not expected", **_results(answer))
        if expected is None:
            answer.check()
        return Outcome.success(message, **_results(answer))

    def repeatable(self, params: WebhookParams) -> bool:
        return params.method in _REPEATABLE

    def preview(self, ctx: ActionContext, params: WebhookParams) -> str:
        return f"would send {params.method} {params.url.partition('?')[0]}"


def _client(ctx: ActionContext) -> HttpClient:
    clock = ctx.clock
    return ctx.clients.get(("webhook",), lambda: HttpClient("webhook", show_path=False, clock=clock))


def _headers(ctx: ActionContext, params: WebhookParams) -> dict[str, str]:
    headers = {**params.headers, "Idempotency-Key": ctx.run_key}
    if params.auth_secret:
        headers["Authorization"] = f"Bearer {ctx.secret(params.auth_secret)}"
    if isinstance(params.body, str) and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return headers


def _results(answer: HttpResponse) -> dict[str, Any]:
    """The answer for the outcome: the status, the end of its text, and its JSON when small."""
    data: dict[str, Any] = {"status": answer.status}
    if len(answer.body) <= MAX_DATA_BYTES and "json" in answer.headers.get("content-type", ""):
        try:
            data["body"] = orjson.loads(answer.body)
        except ValueError:
            return {"data": data, "output": answer.text[-MAX_OUTPUT_CHARS:]}
    return {"data": data, "output": answer.text[-MAX_OUTPUT_CHARS:] or None}


def _allowed(host: str, allowed: list[str]) -> bool:
    """Whether a host is one of the names, or below a `*.DOMAIN`. Names have no case."""
    for name in map(str.lower, allowed):
        if host == name or (name.startswith("*.") and host.endswith(name[1:])):
            return True
    return False
