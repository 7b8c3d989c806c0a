"""Bytes to incidents, or poison with its reason."""

from __future__ import annotations

import msgspec

from automation_consumer.errors import DecodeError
from automation_consumer.model.incident import Incident
from automation_consumer.model.message import Message
from automation_consumer.sources.formats import Format


class Poison(msgspec.Struct, frozen=True):
    """Why a message can never become an incident."""

    reason: str
    detail: str


def decode(form: Format, message: Message) -> tuple[Incident, ...] | Poison:
    """The incidents of a message. Never raises, whatever the bytes."""
    try:
        return form.decode(message)
    except DecodeError as error:
        return Poison(error.reason, error.detail)
