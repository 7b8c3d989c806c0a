"""The clients of outside systems that all runs share: one per key, made on first use, closed at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C")


class SharedClients:
    """See `Clients` in the plugin contract. Thread-safe; two runs that ask at the same moment get the same client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[tuple[object, ...], Any] = {}

    def get(self, key: tuple[object, ...], make: Callable[[], C]) -> C:
        with self._lock:
            if key not in self._clients:
                self._clients[key] = make()
            found: C = self._clients[key]
            return found

    def close(self) -> None:
        """Close those that can be closed. Blocks as long as they do."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in reversed(clients):
            close = getattr(client, "close", None)
            if close is not None:
                close()
