"""A small HTTP server for `/metrics`, `/-/healthy` and `/-/ready`, in one daemon thread."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from automation_consumer.errors import AutomationError
from automation_consumer.logs import get_logger
from automation_consumer.web.health import Health

log = get_logger(__name__)

_IDLE_TIMEOUT_S: Final = 10.0
_JSON: Final = "application/json"


class WebServer:
    """Serves until `stop`. `health` is called for each health request, from a request's thread; it must not block."""

    def __init__(
        self, host: str, port: int, metrics_registry: CollectorRegistry, health: Callable[[], Health]
    ) -> None:
        self._host = host
        self._port = port
        self._pages = _Pages(metrics_registry, health)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Listen, and return the address as `http://host:port`. AutomationError when the port cannot be had."""
        try:
            server = _Server((self._host, self._port), _handler(self._pages))
        except OSError as error:
            raise AutomationError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}",
                hint="set service.host and service.port; port 0 takes a free one",
            ) from error
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="web", daemon=True
        )
        self._thread.start()
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening; blocks for a tenth of a second. Safe to call twice, or without `start`."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join()


class _Pages:
    """What each path answers: (status, content type, body)."""

    def __init__(self, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self._registry = registry
        self._health = health

    def get(self, path: str, accept: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return 200, content_type, encode(self._registry)
        if path == "/-/healthy":
            health = self._health()
            return _health_page(health.live, health)
        if path == "/-/ready":
            health = self._health()
            return _health_page(health.live and health.ready, health)
        return 404, _JSON, b'{"error":"not found"}'


def _health_page(good: bool, health: Health) -> tuple[int, str, bytes]:
    page = {"live": health.live, "ready": health.ready, **health.facts}
    return (200 if good else 503), _JSON, orjson.dumps(page, default=str)


class _Handler(BaseHTTPRequestHandler):
    """One connection. Its `pages` are set by `_handler`."""

    pages: ClassVar[_Pages]
    protocol_version = "HTTP/1.1"
    server_version = "automation-consumer"
    sys_version = ""
    wbufsize = 64 * 1024  # head and body in one packet, or the body waits for an acknowledgement
    timeout = _IDLE_TIMEOUT_S  # a client that says nothing must not keep its thread

    def _get(self) -> None:
        path = self.path.partition("?")[0]
        self._answer(*self.pages.get(path, self.headers.get("Accept", "")))

    def _nothing_here(self) -> None:
        self.close_connection = True  # a body may follow that nobody reads
        self._answer(404, _JSON, b'{"error":"not found"}')

    do_GET = do_HEAD = _get  # noqa: N815 - the names that http.server calls
    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _nothing_here  # noqa: N815

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server uses
        log.debug("%s", format % args, event="web.request", client=self.client_address[0])


def _handler(pages: _Pages) -> type[_Handler]:
    return type("Handler", (_Handler,), {"pages": pages})


class _Server(ThreadingHTTPServer):
    """Without the name look-up of the standard one, and with errors in the log."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # http.server asks DNS for the host's full name here, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, (ConnectionError, TimeoutError)):
            return  # the client went away
        log.error("a page failed: %s", error, event="web.failed", exc_info=True)
