"""The action type `publish`: a message to a Kafka topic."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import orjson
from pydantic import Field

from automation_consumer.errors import BrokerError
from automation_consumer.integrations.kafka_producer import KafkaProducer, client_key
from automation_consumer.plugin import ActionContext, Effect, Outcome, Params, PermanentError, ShortAction

RUN_KEY_HEADER: Final = "automation-run-key"


class PublishParams(Params):
    """The message."""

    topic: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,249}$",
        description="The topic. Not a template: an incident must not choose where a message goes.",
    )
    key: str | None = Field(
        None, description="The message's key: messages of one key go to one partition, in order."
    )
    value: dict[str, Any] | list[Any] | str = Field(
        description="The message: a mapping or a list is sent as JSON, a text as it is."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of the message.")


class Publish(ShortAction[PublishParams]):
    """Sends a message to a Kafka topic and waits until the brokers have it.

    Uses the service's own Kafka unless `connection` names another one (with librdkafka's settings). Every message
    carries the header `automation-run-key`, by which a reader can tell a message that came twice.

    Example:
        name: tell_other_teams
        type: publish
        topic: remediation-events
        key: "{{ incident.id }}"
        value: {incident: "{{ incident.id }}", host: "{{ host }}"}
    """

    type: ClassVar[str] = "publish"
    Params = PublishParams
    effect = Effect.NOTIFY
    connection = "kafka"

    def run(self, ctx: ActionContext, params: PublishParams) -> Outcome:
        value = _encode(params.value)
        headers = [*((name, _bytes(text)) for name, text in params.headers.items())]
        headers.append((RUN_KEY_HEADER, ctx.run_key.encode()))
        key = None if params.key is None else _bytes(params.key)
        _producer(ctx).send(params.topic, value, key, headers)
        return Outcome.success(
            f"sent {len(value)} bytes to topic {params.topic}", data={"topic": params.topic}
        )

    async def preview(self, ctx: ActionContext, params: PublishParams) -> str:
        return f"would send {len(_encode(params.value))} bytes to topic {params.topic}"


def _producer(ctx: ActionContext) -> KafkaProducer:
    settings = ctx.connection
    if not settings.get("bootstrap.servers"):
        raise PermanentError(
            "publish: the connection has no bootstrap.servers",
            hint="define connections.kafka, or name another with `connection`",
        )
    try:
        return ctx.clients.get(client_key(settings), lambda: KafkaProducer(settings))
    except BrokerError as error:
        raise PermanentError(str(error)) from error


def _encode(value: dict[str, Any] | list[Any] | str) -> bytes:
    if isinstance(value, str):
        return _bytes(value)
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise PermanentError(f"publish: the value cannot be sent as JSON: {error}") from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
