"""HTTP for every client: timeouts always, bounded answers, no redirects, errors of the one tree.

Connections are kept and shared by all threads. Cookies are not kept, and `.netrc` is not read: what
authenticates a request is what its caller says. Proxies and the CA bundle come from the environment, as
requests reads them.
"""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import exceptions as urllib3_errors

from automation_consumer.clock import Clock, SystemClock
from automation_consumer.errors import PermanentError
from automation_consumer.integrations.http_errors import broken, origin_of, status_error, transport_error

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_CONNECT_TIMEOUT_S = 5.0
DEFAULT_READ_TIMEOUT_S = 30.0
DEFAULT_MAX_BODY_BYTES = 1024 * 1024
DEFAULT_POOL_SIZE = 512  # connections kept to one host: as many as there can be worker threads
_CHUNK_BYTES = 64 * 1024
_HEADERS = {"Accept": "application/json, */*;q=0.5", "User-Agent": "automation-consumer"}


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, read whole. `headers` have lower-case names; `truncated` says that the body was longer than allowed."""

    what: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    repeatable: bool
    received_at: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def check(self) -> HttpResponse:
        """Itself when the status is 2xx; else the `ActionError` that the status means."""
        if 200 <= self.status < 300:
            return self
        raise status_error(
            self.what,
            self.status,
            self.body,
            self.headers,
            repeatable=self.repeatable,
            now=self.received_at,
        )

    def json(self) -> Any:
        """The body as JSON. An unusable body counts like a broken connection: the request was carried out."""
        if self.truncated:
            too_long = f"{self.what} answered with more than {len(self.body)} bytes"
            raise PermanentError(too_long) if self.repeatable else broken(too_long, repeatable=False)
        try:
            return orjson.loads(self.body)
        except ValueError as error:
            raise broken(
                f"{self.what} answered {self.status} with something that is not JSON",
                repeatable=self.repeatable,
            ) from error


class HttpClient:
    """Sends requests to one kind of system, named in every message. Thread-safe; every call blocks.

    `show_path=False` keeps paths out of messages, for systems whose paths are secrets (webhooks).
    """

    def __init__(
        self,
        system: str,
        *,
        connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S,
        read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
        pool_size: int = DEFAULT_POOL_SIZE,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        show_path: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._system = system
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._max_body_bytes = max_body_bytes
        self._show_path = show_path
        self._clock = clock or SystemClock()
        self._adapter = HTTPAdapter(pool_connections=32, pool_maxsize=pool_size)
        self._surroundings: dict[str, dict[str, Any]] = {}

    def request(self, method: str, url: str, **rest: Any) -> HttpResponse:
        """`send`, and an `ActionError` for every status but 2xx."""
        return self.send(method, url, **rest).check()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        data: str | bytes | None = None,
        read_timeout_s: float | None = None,
        repeatable: bool | None = None,
    ) -> HttpResponse:
        """One request; any status is an answer. `json` is sent as JSON unless None; `read_timeout_s` also bounds
        the reading of the whole body. `repeatable`: sending it twice does no harm (default: GET, HEAD, OPTIONS).
        Raises the errors of `http_errors`.
        """
        repeatable = method in SAFE_METHODS if repeatable is None else repeatable
        read_timeout_s = self._read_timeout_s if read_timeout_s is None else read_timeout_s
        prepared, origin = self._prepare(method, url, headers, params, json, data)
        what = f"{self._system}: {method} {origin}" + (_path(prepared) if self._show_path else "")
        try:
            answer = self._adapter.send(
                prepared,
                stream=True,
                timeout=(self._connect_timeout_s, read_timeout_s),
                **self._surrounding(origin),
            )
            return self._read(what, answer, read_timeout_s, repeatable)
        except ValueError as error:
            raise PermanentError(f"{what} cannot be sent: its URL or a header is not valid") from error
        except (requests.RequestException, urllib3_errors.HTTPError) as error:
            raise transport_error(
                what, error, repeatable=repeatable, read_timeout_s=read_timeout_s
            ) from error
        except OSError as error:
            raise PermanentError(f"{what} cannot be sent: the CA bundle cannot be read") from error

    def close(self) -> None:
        """Close the kept connections."""
        self._adapter.close()

    def _prepare(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str | int] | None,
        json: Any,
        data: str | bytes | None,
    ) -> tuple[requests.PreparedRequest, str]:
        sent = CaseInsensitiveDict(_HEADERS)
        sent.update(headers or {})
        if json is not None:
            data = self._encode(method, json)
            sent.setdefault("Content-Type", "application/json")
        body = data.encode("utf-8", "replace") if isinstance(data, str) else data
        try:
            origin = origin_of(url)
            for name, value in sent.items():
                f"{name}{value}".encode(
                    "latin-1"
                )  # what HTTP can carry; else a UnicodeError much deeper down
            return requests.Request(method, url, headers=sent, params=params, data=body).prepare(), origin
        except (ValueError, requests.RequestException) as error:
            raise PermanentError(
                f"{self._system}: {method} cannot be sent: its URL or a header is not valid",
                hint="it must be an http or https URL, and headers may have one line each",
            ) from error

    def _encode(self, method: str, json: Any) -> str:
        try:
            return json_text.dumps(json, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PermanentError(
                f"{self._system}: {method} cannot be sent: the body is not JSON ({error})"
            ) from error

    def _surrounding(self, origin: str) -> dict[str, Any]:
        """Proxies, CA bundle and client certificate for an origin, read once: reading them costs more than a request."""
        if origin not in self._surroundings:
            with requests.Session() as session:
                found = session.merge_environment_settings(origin, {}, None, None, None)
            self._surroundings[origin] = {key: found[key] for key in ("proxies", "verify", "cert")}
        return self._surroundings[origin]

    def _read(
        self, what: str, answer: requests.Response, read_timeout_s: float, repeatable: bool
    ) -> HttpResponse:
        """The answer with at most `max_body_bytes` of its body; the connection goes back to the pool, or is closed."""
        deadline = self._clock.monotonic() + read_timeout_s
        body = bytearray()
        whole = False
        try:
            while len(body) <= self._max_body_bytes:
                chunk = answer.raw.read1(_CHUNK_BYTES, decode_content=True)
                if not chunk:
                    whole = True
                    break
                body += chunk
                if self._clock.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout
        finally:
            if not whole:
                answer.raw.close()
            answer.raw.release_conn()
        return HttpResponse(
            what=what,
            status=answer.status_code,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=bytes(body[: self._max_body_bytes]),
            truncated=not whole,
            repeatable=repeatable,
            received_at=self._clock.now(),
        )


def _path(prepared: requests.PreparedRequest) -> str:
    return (prepared.path_url or "").partition("?")[0]
