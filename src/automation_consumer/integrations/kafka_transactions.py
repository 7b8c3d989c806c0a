"""A transactional producer: records to several topics, of which readers see all or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from automation_consumer.errors import (
    ActionError,
    BrokerError,
    EffectUnknownError,
    PermanentError,
    TemporaryError,
)
from automation_consumer.integrations.kafka_producer import client_error, delivery_error, producer_settings
from automation_consumer.logs import get_logger

log = get_logger(__name__)

TIMEOUT_S: Final = 30.0
_TRIES: Final = 3
_OURS: Final[Mapping[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": int(TIMEOUT_S * 1000),
    "transaction.timeout.ms": int(TIMEOUT_S * 2000),
}
_NOT_WITH_THEM: Final = frozenset(
    {
        "request.required.acks",
        "delivery.timeout.ms",
        "retries",
        "message.send.max.retries",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "enable.gapless.guarantee",
    }
)
_FENCED: Final = frozenset(
    {"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "INVALID_PRODUCER_ID_MAPPING"}
)
_PURGED: Final = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT"})


class Outgoing(msgspec.Struct, frozen=True):
    """A record for a topic. `partition` None: by the key."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None


class TransactionalProducer:
    """Sends records in transactions, for one thread. `transactional_id`: of two producers with the same, the later wins.

    Making it puts out every earlier one with this id and ends what that had begun; only what it had committed stays. So
    whoever decides by what was committed must read it after this. Blocks. BrokerError when the broker or its rules
    don't let us.
    """

    def __init__(self, settings: Mapping[str, Any], transactional_id: str) -> None:
        kept = {
            name: value for name, value in producer_settings(settings).items() if name not in _NOT_WITH_THEM
        }
        self._id = transactional_id
        try:
            self._producer = Producer(
                {
                    **kept,
                    **_OURS,
                    "transactional.id": transactional_id,
                    "error_cb": _on_error,
                    "logger": log.logger,
                }
            )
            self._producer.init_transactions(TIMEOUT_S)
        except (KafkaException, SystemError) as error:
            raise self._failure("cannot begin to send in transactions", client_error(error)) from error

    def send(self, records: Sequence[Outgoing]) -> None:
        """All of them or none. Blocks.

        PermanentError: one was refused, and none was sent. TemporaryError: none was sent. EffectUnknownError: nobody
        can tell, but it was all or none. BrokerError: this producer is of no more use, another one
        finds out.
        """
        for _ in range(_TRIES - 1):
            try:
                self._transact(records)
                return
            except TemporaryError as error:
                # After a refusal librdkafka needs one more aborted transaction before its sequence is right again.
                log.warning("a transaction is tried again: %s", error, event="kafka.transaction_retried")
        self._transact(records)

    def _transact(self, records: Sequence[Outgoing]) -> None:
        try:
            self._producer.begin_transaction()
            refused = self._deliver(records)
            if refused is not None:
                self._producer.abort_transaction(TIMEOUT_S)
                raise refused
            self._commit()
        except (KafkaException, SystemError) as error:
            raise self._failure("cannot send to Kafka", client_error(error)) from error

    def close(self) -> None:
        """End what was not committed, and stop. Blocks for a moment; safe to call twice."""
        try:
            self._producer.purge()
            self._producer.flush(5.0)
        except (KafkaException, SystemError) as error:
            _on_error(client_error(error))

    def _deliver(self, records: Iterable[Outgoing]) -> ActionError | None:
        """Wait until the broker has them all; what it says of the first that it refused."""
        failed: list[ActionError] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is not None and error.name() not in _PURGED:
                failed.append(delivery_error(error, message.topic()))

        for each in records:
            try:
                self._producer.produce(
                    each.topic,
                    value=each.value,
                    key=each.key,
                    partition=-1 if each.partition is None else each.partition,
                    headers=list(each.headers),
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.flush(TIMEOUT_S)
                return TemporaryError("too many messages wait for delivery to Kafka")
            except KafkaException as error:
                if error.args[0].fatal():
                    raise
                return delivery_error(error.args[0], each.topic)
        left = self._producer.flush(TIMEOUT_S)
        if failed:
            # Whatever it was, the transaction takes it back.
            first = failed[0]
            return first if isinstance(first, PermanentError) else TemporaryError(str(first))
        return TemporaryError(f"Kafka did not confirm {left} messages in {TIMEOUT_S:g} s") if left else None

    def _commit(self) -> None:
        for tries in range(1, _TRIES + 1):
            try:
                self._producer.commit_transaction(TIMEOUT_S)
                return
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.txn_requires_abort():
                    self._producer.abort_transaction(TIMEOUT_S)
                    raise TemporaryError(f"Kafka did not take the transaction: {reason.str()}") from error
                if not reason.retriable():
                    raise
                if tries == _TRIES:
                    raise EffectUnknownError(
                        f"Kafka does not say whether it took the transaction: {reason.str()}"
                    ) from error

    def _failure(self, doing: str, error: KafkaError) -> BrokerError:
        if error.name() in _FENCED or (error.fatal() and "fenced" in error.str().lower()):
            return BrokerError(
                f"another process has begun to send as {self._id!r}, which ends this one",
                hint="nothing that this one had not committed was sent; let the other one finish, then look again",
            )
        hint = "is a broker there, and may this user write transactions (rights Write and Describe on the transactional id)?"
        return BrokerError(f"{doing}: {error.str()} [{error.name()}]", hint=hint)


def _on_error(error: KafkaError) -> None:
    """What it mends by itself; a fatal error is raised by the call that meets it."""
    log.warning("Kafka producer: %s", error.str(), event="kafka.producer_error", code=error.name())
