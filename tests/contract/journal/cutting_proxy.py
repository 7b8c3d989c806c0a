"""A TCP proxy before PostgreSQL that can cut the connection at a COMMIT: before it arrives, or after it took effect."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import Enum, auto


class Cut(Enum):
    NEVER = auto()
    BEFORE_IT_ARRIVES = auto()
    BEFORE_THE_ANSWER = auto()


class CuttingProxy:
    """Listens on a free port; `cut` holds for the next COMMIT only, `cuts` counts them."""

    def __init__(self, host: str, port: int, *, listen_on: int = 0) -> None:
        self._target = (host, port)
        self._server = socket.create_server(("127.0.0.1", listen_on))
        self.port = self._server.getsockname()[1]
        self.cut = Cut.NEVER
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(self._target)
        mute = threading.Event()
        threading.Thread(target=self._answers, args=(server, client, mute), daemon=True).start()
        try:
            while data := client.recv(65536):
                if b"COMMIT" in data and self.cut is not Cut.NEVER:
                    cut, self.cut = self.cut, Cut.NEVER
                    self.cuts += 1
                    if cut is Cut.BEFORE_IT_ARRIVES:
                        break
                    mute.set()  # from now on the answers end here; the first one says that it has taken effect
                server.sendall(data)
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def _answers(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        try:
            while data := server.recv(65536):
                if mute.is_set():
                    break
                client.sendall(data)
        except OSError:
            pass
        finally:
            for each in (client, server):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
