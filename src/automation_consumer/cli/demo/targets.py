"""Stand-ins for the systems that the demo's actions call: a small Screwdriver API, Slack, and a few webhooks."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from automation_consumer.clock import Clock

Answer = tuple[int, Any]
_EVENT = re.compile(r"/v4/events/(\d+)/(builds|stop)")


@dataclass
class Job:
    """A job that was started: the marker that it carries, what it was given, when it ends (monotonic seconds), how."""

    key: str
    event: dict[str, Any]
    ends_at: float
    status: str


class Targets:
    """Everything that the demo calls, on one loopback port for as long as the `with` block. Jobs take 1 to 3 s."""

    def __init__(self, clock: Clock, failing_hosts: Collection[str] = ()) -> None:
        self._clock = clock
        self._failing = frozenset(failing_hosts)
        self._lock = threading.Lock()
        self.jobs: dict[int, Job] = {}
        self.calls: Counter[str] = Counter()
        """Calls by the first part of their path, Screwdriver's left out."""
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"targets": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="targets", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def started_twice(self) -> int:
        """Jobs whose marker another job carries, too: there must be none."""
        with self._lock:
            return len(self.jobs) - len({job.key for job in self.jobs.values()})

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """What a request gets: status, and a text or a JSON value. From any of the server's threads."""
        url = urlsplit(target)
        with self._lock:
            if url.path.startswith("/v4/"):
                return self._screwdriver(method, url.path, url.query, body)
            name = url.path.split("/")[1]
            self.calls[name] += 1
        if name == "slack":
            return 200, "ok"
        return (202 if name == "certificates" else 200), {"accepted": True}

    # --- Screwdriver ---------------------------------------------------------------------------------------------

    def _screwdriver(self, method: str, path: str, query: str, body: bytes) -> Answer:
        if path == "/v4/auth/token":
            return 200, {"token": "demo-session"}
        if (method, path) == ("POST", "/v4/events"):
            return 201, self._start(orjson.loads(body))
        if path.startswith("/v4/pipelines/") and path.endswith("/events"):
            wanted = parse_qs(query).get("creator", [""])[0]
            return 200, [job.event for job in self.jobs.values() if job.key == wanted]
        found = _EVENT.fullmatch(path)
        job = self.jobs.get(int(found[1])) if found else None
        if found is None or job is None:
            return 404, {"statusCode": 404, "error": "Not Found", "message": "no such thing in the demo"}
        if found[2] == "stop":
            job.ends_at, job.status = self._clock.monotonic(), "ABORTED"
            return 200, job.event
        return 200, [self._build(int(found[1]), job)]

    def _start(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = len(self.jobs) + 1
        key = asked["creator"]["name"]
        event = {**asked, "id": number, "status": "CREATED", "type": "pipeline"}
        host = asked["meta"]["parameters"].get("host")
        seconds = 1.0 + number * 7 % 21 / 10
        status = "FAILURE" if host in self._failing else "SUCCESS"
        self.jobs[number] = Job(key, event, self._clock.monotonic() + seconds, status)
        return event

    def _build(self, number: int, job: Job) -> dict[str, Any]:
        build = {"id": 1000 + number, "eventId": number, "jobId": 1}
        if self._clock.monotonic() < job.ends_at:
            return {**build, "status": "RUNNING"}
        return {**build, "status": job.status}


class _Handler(BaseHTTPRequestHandler):
    targets: ClassVar[Targets]
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # head and body in one packet, or the body waits for an acknowledgement
    timeout = 30.0

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, value = self.targets.answer(self.command, self.path, body)
        text = isinstance(value, str)
        content = value.encode() if text else orjson.dumps(value)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server uses
        """The journal shows what was called; the terminal is for the demo's own table."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
