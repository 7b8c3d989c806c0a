"""What the `screwdriver` connection may say, and the client made of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from automation_consumer.errors import PermanentError
from automation_consumer.integrations.screwdriver import (
    CREATE_TIMEOUT_S,
    DEFAULT_TIMEOUT_S,
    ScrewdriverClient,
)
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Duration, SecretName


class ScrewdriverConnection(BaseModel):
    """A Screwdriver server. Durations in seconds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    url: str = Field(
        description="Address of the API, such as https://api.screwdriver.example.", pattern=r"^https?://"
    )
    auth_secret: SecretName | None = Field(None, description="Secret with the API token.")
    ui_url: str | None = Field(None, description="Address of the web page, for links; by default `url`.")
    timeout: Duration = Field(
        DEFAULT_TIMEOUT_S, description="Wait for an answer; a start waits at least 60 s."
    )
    lookup_settle: Duration = Field(
        CREATE_TIMEOUT_S + 15.0,
        description="How long after a start whose answer was lost the job may still appear: the server may take a minute for a start.",
    )


def connection_of(ctx: ActionContext) -> ScrewdriverConnection:
    """The action's connection; PermanentError when it is not usable."""
    try:
        return ScrewdriverConnection.model_validate(dict(ctx.connection))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PermanentError(
            f"action {ctx.action!r}: its screwdriver connection is not usable: {wrong}",
            hint="connections: {screwdriver: {url: https://…, auth_secret: NAME}}",
        ) from error


def client_of(ctx: ActionContext, auth_secret: str | None) -> ScrewdriverClient:
    """The shared client of the action's server and secret. PermanentError when neither names a secret."""
    connection = connection_of(ctx)
    name = auth_secret or connection.auth_secret
    if name is None:
        raise PermanentError(
            f"action {ctx.action!r}: neither the action nor its connection has auth_secret",
            hint="auth_secret names the secret that holds the API token",
        )
    secret, clock = ctx.secret, ctx.clock  # not `ctx`: the client outlives the run
    return ctx.clients.get(
        ("screwdriver", connection.url, connection.ui_url, connection.timeout, name),
        lambda: ScrewdriverClient(
            connection.url,
            lambda: secret(name),
            ui_url=connection.ui_url,
            timeout_s=connection.timeout,
            clock=clock,
        ),
    )
