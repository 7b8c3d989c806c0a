"""Messages for the formats' tests: samples and hand-made ones."""

import json
from pathlib import Path
from typing import Any

from automation_consumer.model.incident import Incident
from automation_consumer.model.message import Headers, Message
from automation_consumer.sources.formats import build_format

SAMPLES = Path(__file__).parents[3] / "samples"
MAX_BYTES = 5_000_000


def message(value: bytes | None, headers: Headers = ()) -> Message:
    return Message("incidents", 0, 0, value, headers=headers)


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


def decode(spec: str | dict[str, Any], value: Any, headers: Headers = ()) -> Incident:
    """The only incident of a message whose value is bytes, or anything that becomes JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    (incident,) = build_format(spec, MAX_BYTES).decode(message(raw, headers))
    return incident
