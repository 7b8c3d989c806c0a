"""How the process is: what the health pages answer."""

from __future__ import annotations

from typing import Any

import msgspec


class Health(msgspec.Struct, frozen=True):
    """`live`: restarting would not help. `ready`: it reads and handles messages now. `facts`: why, as plain JSON values."""

    live: bool
    ready: bool
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
