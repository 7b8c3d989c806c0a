"""Kafka's errors in our words: what happened, and what to do about it."""
# ruff: noqa: SLF001 - the codes of the client itself, as opposed to the broker's, are public and begin with "_"

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from automation_consumer.errors import BrokerError

PARTITION_EOF: Final = KafkaError._PARTITION_EOF
POLL_TOO_LATE: Final = KafkaError._MAX_POLL_EXCEEDED

_HINTS: Final = {
    KafkaError._AUTHENTICATION: "check sasl.mechanism, sasl.username and sasl.password, and that security.protocol is the listener's",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check sasl.mechanism, sasl.username and sasl.password",
    KafkaError._SSL: "check ssl.ca.location (or ssl.ca.pem), the client's certificate, and that the listener speaks TLS",
    KafkaError._RESOLVE: "check the host names in bootstrap.servers",
    KafkaError._TRANSPORT: "check that a broker listens at bootstrap.servers, and that security.protocol is the listener's",
    KafkaError._ALL_BROKERS_DOWN: "check that a broker listens at bootstrap.servers, and that security.protocol is the listener's",
    KafkaError._TIMED_OUT: "check that bootstrap.servers can be reached from here, and the brokers' advertised addresses",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user needs the right Read on the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user needs the right Read on the consumer group",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create the topic, or correct kafka.topics",
    KafkaError._FATAL: "restart the process; if it was fenced, two processes run with the same group.instance.id; give each its own",
    KafkaError.FENCED_INSTANCE_ID: "two processes run with the same group.instance.id; give each its own",
    KafkaError.UNRELEASED_INSTANCE_ID: "two processes run with the same group.instance.id; give each its own",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "another member of the group uses another partition.assignment.strategy; all must use the same",
}

# Causes rather than consequences: of several errors, the first of these is the one to tell.
_CAUSES: Final = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._SSL,
    KafkaError._RESOLVE,
    KafkaError._TRANSPORT,
)

REFUSED: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL}
)
"""Errors that waiting does not heal: credentials or certificates are wrong."""

ALARMING: Final = frozenset({*REFUSED, KafkaError._ALL_BROKERS_DOWN, KafkaError._FATAL})
"""Errors that stop everything until someone or something mends them."""


def hint(error: KafkaError) -> str | None:
    """What to do about it, where we know."""
    return _HINTS.get(error.code())


def is_fatal(error: KafkaError) -> bool:
    """Whether the client can do nothing more. (An error that comes as an event has the code, but not the flag.)"""
    return error.fatal() or error.code() == KafkaError._FATAL


def cause(exception: KafkaException) -> KafkaError:
    """The error that a client's exception carries."""
    error: KafkaError = exception.args[0]
    return error


def root_cause(errors: list[KafkaError]) -> KafkaError | None:
    """Of what a client reported, the error that explains the others; None when it reported nothing."""
    for code in _CAUSES:
        for error in errors:
            if error.code() == code:
                return error
    return errors[-1] if errors else None


def broker_error(doing: str, error: KafkaError) -> BrokerError:
    """The error as one of ours: `doing` says what was tried, in the form "cannot …"."""
    return BrokerError(f"{doing}: {error.str()} [{error.name()}]", hint=hint(error))
