"""CloudEvents 1.0 around another format: structured and binary mode on Kafka, and structured batches.

A message that is no CloudEvent at all goes to the inner format as it is, as the Kafka binding has it. Of several
events of a batch about one incident, the last one counts: the message says how things stand now.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from automation_consumer.model.incident import Incident
from automation_consumer.model.message import Message
from automation_consumer.sources.formats.document import parse
from automation_consumer.sources.formats.format import Reader
from automation_consumer.sources.formats.reasons import Reason, poison
from automation_consumer.sources.formats.shape import shape

NAME = "cloudevents"
_REQUIRED = ("id", "source", "type")


class _Event(msgspec.Struct, gc=False):
    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None
    data: Any = None
    data_base64: str | None = None


class CloudEvents:
    """The format of messages that carry CloudEvents whose data `read` understands."""

    def __init__(self, read: Reader, max_bytes: int) -> None:
        self._read = read
        self._max_bytes = max_bytes

    def decode(self, message: Message) -> tuple[Incident, ...]:
        """The incidents of the message's events. Raises DecodeError."""
        document = parse(message.value, self._max_bytes)
        if self._is_binary(message):
            return (self._read(document),)
        if isinstance(document, list):
            return self._batch(document)
        structured = _content_type(message).startswith("application/cloudevents")
        if structured or (isinstance(document, dict) and "specversion" in document):
            return (self._event(document, ""),)
        return (self._read(document),)

    def _is_binary(self, message: Message) -> bool:
        if _content_type(message).startswith("application/cloudevents"):
            return False
        version = message.header("ce_specversion")
        if version is None:
            return False
        attributes = {name: message.header(f"ce_{name}") for name in _REQUIRED}
        _refuse_invalid(version, attributes, "the header `ce_")
        return True

    def _batch(self, events: list[Any]) -> tuple[Incident, ...]:
        if not events:
            raise poison(Reason.NOT_AN_INCIDENT, "the batch has no events")
        incidents = [self._event(event, f"[{index}]") for index, event in enumerate(events)]
        return tuple({incident.id: incident for incident in incidents}.values())

    def _event(self, document: Any, at: str) -> Incident:
        event = shape(document, _Event, at)
        attributes = {"id": event.id, "source": event.source, "type": event.type}
        _refuse_invalid(event.specversion, attributes, f"`${at}.")
        return self._read(self._data(event))

    def _data(self, event: _Event) -> Any:
        """The event's data as a document; data that are a text or Base64 hold one."""
        if event.data_base64 is not None:
            try:
                return parse(base64.b64decode(event.data_base64, validate=True), self._max_bytes)
            except (binascii.Error, ValueError):
                raise poison(Reason.WRONG_TYPE, "`data_base64` is not Base64") from None
        if isinstance(event.data, str):
            return parse(event.data.encode(), self._max_bytes)
        return event.data


def _content_type(message: Message) -> str:
    return (message.header("content-type") or "").strip().lower()


def _refuse_invalid(version: str | None, attributes: dict[str, str | None], where: str) -> None:
    """Raise DecodeError unless the attributes that every event must have are there."""
    if version != "1.0":
        shown = ascii(version)[:40]
        raise poison(Reason.NOT_AN_INCIDENT, f"{where}specversion` is {shown}, and only '1.0' is CloudEvents")
    for name, value in attributes.items():
        if not value:
            raise poison(
                Reason.NOT_AN_INCIDENT, f"{where}{name}` is missing, and every CloudEvent must have it"
            )
