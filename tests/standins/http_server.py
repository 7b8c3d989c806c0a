"""A small HTTP/1.1 server for stand-ins: one thread, keep-alive, thousands of requests a second, and rude on request."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

_REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True)
class Request:
    """One request. Header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer. `cut` closes the connection instead (`reset`: with a reset); `delay_s` None never answers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float | None = 0.0
    cut: bool = False
    reset: bool = False
    raw: bytes | None = None

    def wire(self) -> bytes:
        if self.raw is not None:
            return self.raw
        head = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}"]
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body)), **self.headers}
        head += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + self.body


Handler = Callable[[Request], Reply]


class _Connection(asyncio.Protocol):
    def __init__(self, handler: Handler, open_ones: set[asyncio.Transport]) -> None:
        self._handler = handler
        self._open = open_ones
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next()) is not None:
            self._answer(self._handler(request))

    def _next(self) -> Request | None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        return Request(method, path, dict(parse_qsl(query)), headers, rest[:length])

    def _answer(self, reply: Reply) -> None:
        if reply.delay_s is None:
            return
        if reply.delay_s:
            asyncio.get_running_loop().call_later(reply.delay_s, self._write, reply)
        else:
            self._write(reply)

    def _write(self, reply: Reply) -> None:
        if reply.cut:
            if reply.reset:  # closing with nothing to linger for sends RST
                raw = self._transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(reply.wire())
            if reply.raw is not None:
                self._transport.close()


class HttpServer:
    """Serves a handler on 127.0.0.1 from a thread of its own; the handler runs in that thread only."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self._handler = handler
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Transport] = set()
        self._thread = threading.Thread(target=self._serve, name="stand-in", daemon=True)
        self._ready = threading.Event()
        self.url = ""

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10), "the stand-in does not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def call(self, work: Callable[[], None]) -> None:
        """Run `work` in the server's thread, and wait for it."""
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    def _serve(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(
            loop.create_server(
                lambda: _Connection(self._handler, self._open), "127.0.0.1", self._port, backlog=1024
            )
        )
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        loop.run_forever()
        server.close()
        for transport in list(self._open):
            transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
