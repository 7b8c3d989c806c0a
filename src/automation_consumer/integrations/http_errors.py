"""What a failed HTTP call means: one mapping from transport errors and statuses to the three errors of the tree.

The question is always whether the other side may have acted:

* Never sent (refused, unknown host, TLS handshake, connect timeout): `TemporaryError`.
* Sent, and no whole answer came back: `TemporaryError` for a repeatable request, else `EffectUnknownError`.
* 429, 408 and 425 say that nothing was done: `TemporaryError`, with `Retry-After` where given.
* 503 with `Retry-After` says the same. Without it, it is like any other 5xx: a proxy may speak for a server
  that did act, so it is `EffectUnknownError` unless the request is repeatable. 501 is `PermanentError`.
* Any other 3xx and 4xx: `PermanentError`, with what the system answered on one line.

Messages name scheme, host and path only: a query string or user info may be a secret.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from urllib3 import exceptions as urllib3_errors

from automation_consumer.errors import ActionError, EffectUnknownError, PermanentError, TemporaryError

MAX_RETRY_AFTER_S = 3600.0
MAX_DETAIL_CHARS = 300

_NOTHING_DONE = frozenset({408, 425, 429})
_DETAIL_KEYS = ("message", "detail", "error_description", "error", "reason", "title")
_HANDSHAKE_REASONS = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)


def origin_of(url: str) -> str:
    """`scheme://host:port` of a URL, without user info; ValueError when it is not an http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL with a host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port is not None else "")


def one_line(text: str, limit: int = MAX_DETAIL_CHARS) -> str:
    """Text of another system, fit for a message: one line, no control characters, bounded."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def answer_detail(body: bytes, headers: Mapping[str, str]) -> str:
    """What an error answer says, on one line: its JSON message, the title of an HTML page, or its text."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    if "html" in headers.get("content-type", "").lower():
        title = re.search(r"<title>([^<]{0,300})</title>", text, re.IGNORECASE)
        return f"an HTML page ({one_line(title[1])})" if title else "an HTML page"
    try:
        answer = orjson.loads(body)
    except ValueError:
        return one_line(text)
    if isinstance(answer, dict):
        for key in _DETAIL_KEYS:
            if isinstance(answer.get(key), str) and answer[key]:
                return one_line(answer[key])
    return one_line(text)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """`Retry-After` (seconds, or an HTTP date) as seconds from `now`, at most an hour; None when absent or nonsense."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - now, 0.0), MAX_RETRY_AFTER_S)


def broken(what: str, *, repeatable: bool) -> ActionError:
    """The error of a call that was sent and got no usable answer."""
    if repeatable:
        return TemporaryError(what)
    return EffectUnknownError(f"{what}; it may have taken effect")


def status_error(
    what: str, status: int, body: bytes, headers: Mapping[str, str], *, repeatable: bool, now: float
) -> ActionError:
    """The error of an answer that is not 2xx. `now` is epoch seconds, for a `Retry-After` date."""
    detail = answer_detail(body, headers)
    message = f"{what} answered {status}" + (f": {detail}" if detail else "")
    wait_s = retry_after_s(headers, now)
    if status in _NOTHING_DONE or (status == 503 and wait_s is not None):
        return TemporaryError(message, retry_after_s=wait_s)
    if status >= 500 and status != 501:
        return broken(message, repeatable=repeatable)
    if 300 <= status < 400:
        return PermanentError(f"{what} answered {status}: a redirect, which is not followed")
    return PermanentError(message)


def transport_error(what: str, error: Exception, *, repeatable: bool, read_timeout_s: float) -> ActionError:
    """The error of a call that failed below HTTP: `error` is of requests or urllib3."""
    cause = _cause(error)
    message = f"{what} failed: {_reason(error, cause, read_timeout_s)}"
    if _never_sent(error, cause):
        return TemporaryError(message)
    return broken(message, repeatable=repeatable)


def _cause(error: Exception) -> Any:
    """The innermost thing that requests and urllib3 wrapped: `ConnectionError(MaxRetryError(reason))`."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None)
    if isinstance(reason, urllib3_errors.SSLError) and reason.args:
        return reason.args[0]
    return reason if isinstance(reason, Exception) else inner


def _never_sent(error: Exception, cause: Any) -> bool:
    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)):
        return True
    if isinstance(cause, ssl.SSLError):
        # Other TLS errors may come from a connection that already carried the request.
        return getattr(cause, "reason", None) in _HANDSHAKE_REASONS
    return isinstance(
        cause,
        (
            urllib3_errors.NewConnectionError,
            urllib3_errors.ConnectTimeoutError,
            ssl.CertificateError,
        ),
    )


def _reason(error: Exception, cause: Any, read_timeout_s: float) -> str:
    """Why, for people. Never `str(error)`: that has the URL with its query."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "could not connect in time"
    if isinstance(error, (requests.exceptions.ReadTimeout, urllib3_errors.ReadTimeoutError)):
        return f"no answer within {read_timeout_s:g} s"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy could not be used"
    if isinstance(cause, urllib3_errors.NameResolutionError):
        return "the host name cannot be resolved"
    if isinstance(cause, urllib3_errors.NewConnectionError):
        return f"no connection ({getattr(cause.__cause__, 'strerror', None) or 'unreachable'})"
    if isinstance(cause, ssl.SSLError):
        detail = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "failed"
        return f"TLS: {one_line(str(detail))}"
    return "the connection broke before the whole answer was there"
