"""A stand-in for Slack: a real HTTP server that keeps Slack's rules for posting, replacing, reading and webhooks.

with SlackStandIn() as slack:
    slack.fail_next("cut_after")      # does the work, then cuts the connection
    ...
    assert slack.posts["r1-1"] == 1   # posts by run key
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "xoxb-stand-in"
CHANNEL = "C0123456789"
WEBHOOK_PATH = "/services/T000/B000/s3cr3tpath"
ALL_SCOPES = frozenset({"chat:write", "channels:history"})
MAX_TEXT = 40_000
MAX_BLOCKS = 50
METHODS = ("auth.test", "chat.postMessage", "chat.update", "conversations.history", "conversations.replies")


@dataclass
class Channel:
    id: str = CHANNEL
    name: str = "alerts"
    member: bool = True
    archived: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)
    last_post: float = float("-inf")


class RefusedError(Exception):
    """ok: false."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.answer = {"ok": False, "error": code, **more}


class RateLimitedError(Exception):
    """HTTP 429."""


class SlackStandIn:
    """`rate_interval_s`: least seconds between two posts to a channel; None does not limit."""

    def __init__(self, *, scopes: frozenset[str] = ALL_SCOPES, rate_interval_s: float | None = None) -> None:
        self.scopes = scopes
        self.rate_interval_s = rate_interval_s
        self.retry_after_s = 7
        self.channels = {CHANNEL: Channel()}
        self.posts: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.webhook_posts: list[dict[str, Any]] = []
        self.webhook_answer = (200, "ok")
        self.max_page = 1000
        self._faults: list[str] = []
        self._serial = 0
        self.lock = threading.Lock()

    def __enter__(self) -> SlackStandIn:
        handler = type("Handler", (_Handler,), {"slack": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.origin}/api"
        self.webhook_url = f"{self.origin}{WEBHOOK_PATH}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail_next(self, *faults: str) -> None:
        """For the next requests, one each: 429, 500, html, internal_error (all without doing the work),
        cut_after, internal_error_after, html_after (after the work), or the code of an ok: false answer."""
        with self.lock:
            self._faults.extend(faults)

    def next_fault(self) -> str:
        with self.lock:
            return self._faults.pop(0) if self._faults else ""

    def add_foreign_messages(self, count: int, channel: str = CHANNEL) -> None:
        for number in range(count):
            self.channels[channel].messages.append({"ts": self.new_ts(), "text": f"chat {number}"})

    def new_ts(self) -> str:
        self._serial += 1
        return f"{time.time():.0f}.{self._serial:06d}"

    def messages(self, channel: str = CHANNEL) -> list[dict[str, Any]]:
        return self.channels[channel].messages

    # The methods of the API.

    def call(self, method: str, args: dict[str, Any], token: str) -> dict[str, Any]:
        if not token:
            raise RefusedError("not_authed")
        if token != TOKEN:
            raise RefusedError("invalid_auth")
        if method not in METHODS:
            raise RefusedError("unknown_method")
        with self.lock:
            self.requests.append((method, args))
            return {"ok": True, **getattr(self, "do_" + method.replace(".", "_"))(args)}

    def do_auth_test(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"team": "Stand-in", "user": "bot", "team_id": "T000", "user_id": "U000"}

    def do_chat_postMessage(self, args: dict[str, Any]) -> dict[str, Any]:
        self._need("chat:write")
        channel = self._channel(args, by_name=True)
        self._check_content(args)
        now = time.monotonic()
        if self.rate_interval_s is not None and now < channel.last_post + self.rate_interval_s:
            raise RateLimitedError
        channel.last_post = now
        message = {"type": "message", "ts": self.new_ts(), "bot_id": "B000", **_content(args)}
        if "thread_ts" in args:
            message["thread_ts"] = args["thread_ts"]
        if "metadata" in args:
            message["metadata"] = args["metadata"]
            self.posts[args["metadata"]["event_payload"].get("run_key", "")] += 1
        channel.messages.append(message)
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def do_chat_update(self, args: dict[str, Any]) -> dict[str, Any]:
        self._need("chat:write")
        if args.get("channel") not in self.channels:
            raise RefusedError("channel_not_found")  # a name is not enough here
        channel = self._channel(args)
        self._check_content(args)
        for message in channel.messages:
            if message["ts"] == args.get("ts"):
                if "bot_id" not in message:
                    raise RefusedError("cant_update_message")
                message.pop("blocks", None)
                message.update(_content(args))
                return {"channel": channel.id, "ts": message["ts"], "text": message["text"]}
        raise RefusedError("message_not_found")

    def do_conversations_history(self, args: dict[str, Any]) -> dict[str, Any]:
        return self._read(args, lambda m: m.get("thread_ts") in (None, m["ts"]), newest_first=True)

    def do_conversations_replies(self, args: dict[str, Any]) -> dict[str, Any]:
        if not any(m["ts"] == args.get("ts") for m in self._channel(args).messages):
            raise RefusedError("thread_not_found")
        return self._read(args, lambda m: args["ts"] in (m["ts"], m.get("thread_ts")), newest_first=False)

    def _read(self, args: dict[str, Any], wanted: Any, *, newest_first: bool) -> dict[str, Any]:
        self._need("channels:history")
        channel = self._channel(args)
        if not channel.member:
            raise RefusedError("not_in_channel")
        oldest = float(args.get("oldest", 0))
        found = [m for m in channel.messages if wanted(m) and float(m["ts"]) > oldest]
        found = found[::-1] if newest_first else found
        start, size = int(args.get("cursor") or 0), min(int(args.get("limit", 100)), self.max_page)
        page, more = found[start : start + size], start + size < len(found)
        if args.get("include_all_metadata") != "true":
            page = [{k: v for k, v in m.items() if k != "metadata"} for m in page]
        cursor = str(start + size) if more else ""
        return {"messages": page, "has_more": more, "response_metadata": {"next_cursor": cursor}}

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise RefusedError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _channel(self, args: dict[str, Any], *, by_name: bool = False) -> Channel:
        wanted = args.get("channel", "")
        for channel in self.channels.values():
            if wanted == channel.id or (by_name and wanted.lstrip("#") == channel.name):
                if channel.archived:
                    raise RefusedError("is_archived")
                if by_name and not channel.member:
                    raise RefusedError("not_in_channel")
                return channel
        raise RefusedError("channel_not_found")

    @staticmethod
    def _check_content(args: dict[str, Any]) -> None:
        if not args.get("text") and not args.get("blocks"):
            raise RefusedError("no_text")
        if len(args.get("blocks") or ()) > MAX_BLOCKS:
            raise RefusedError(
                "invalid_blocks", response_metadata={"messages": ["no more than 50 items allowed"]}
            )


def _content(args: dict[str, Any]) -> dict[str, Any]:
    content = {"text": str(args.get("text", ""))[:MAX_TEXT]}
    if args.get("blocks"):
        content["blocks"] = args["blocks"]
    return content


class _Handler(BaseHTTPRequestHandler):
    slack: SlackStandIn
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._api(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if path.startswith("/services/"):
            self._webhook(path, body)
        elif self.headers.get("Content-Type", "").startswith("application/json"):
            self._api(path, json.loads(body))
        else:
            self._api(path, {name: values[0] for name, values in parse_qs(body.decode()).items()})

    def _api(self, path: str, args: dict[str, Any]) -> None:
        fault = self.slack.next_fault()
        if self._failed_before(fault):
            return
        if fault and not fault.endswith("_after"):
            self._json(200, {"ok": False, "error": fault})
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        try:
            answer = self.slack.call(path.removeprefix("/api/"), args, token)
        except RefusedError as refused:
            answer = refused.answer
        except RateLimitedError:
            self._rate_limited()
            return
        self._finish(fault, answer)

    def _failed_before(self, fault: str) -> bool:
        if fault == "429":
            self._rate_limited()
        elif fault == "500":
            self._text(500, "oops")
        elif fault == "html":
            self._text(200, "<html>sign in</html>")
        else:
            return False
        return True

    def _finish(self, fault: str, answer: dict[str, Any]) -> None:
        if fault == "cut_after":
            self.close_connection = True
            self.connection.close()
        elif fault == "html_after":
            self._text(200, "<html>sign in</html>")
        elif fault:
            self._json(200, {"ok": False, "error": fault.removesuffix("_after")})
        else:
            self._json(200, answer)

    def _webhook(self, path: str, body: bytes) -> None:
        fault = self.slack.next_fault()
        if fault and self._failed_before(fault):
            return
        if path != WEBHOOK_PATH:
            self._text(404, "no_service")
            return
        message = json.loads(body)
        if not message.get("text") and not message.get("blocks"):
            self._text(400, "no_text")
            return
        if self.slack.webhook_answer[0] == 200:
            self.slack.webhook_posts.append(message)
        if fault == "cut_after":
            self.close_connection = True
            self.connection.close()
            return
        self._text(*self.slack.webhook_answer)

    def _rate_limited(self) -> None:
        self._send(
            429,
            b'{"ok":false,"error":"ratelimited"}',
            "application/json",
            {"Retry-After": str(self.slack.retry_after_s)},
        )

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json; charset=utf-8")

    def _text(self, status: int, text: str) -> None:
        self._send(status, text.encode(), "text/html")

    def _send(
        self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
