"""The HTTP client against real sockets: what each way of failing means."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from tests.standins.http_server import HttpServer, Reply, Request
from urllib3.exceptions import MaxRetryError, SSLError

from automation_consumer.errors import ActionError, EffectUnknownError, PermanentError, TemporaryError
from automation_consumer.integrations.http import HttpClient
from automation_consumer.integrations.http_errors import (
    MAX_RETRY_AFTER_S,
    one_line,
    origin_of,
    retry_after_s,
    status_error,
    transport_error,
)
from automation_consumer.testing import FakeClock

Serve = Callable[[Callable[[Request], Reply]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HttpServer] = []

    def start(handler: Callable[[Request], Reply]) -> str:
        servers.append(HttpServer(handler))
        servers[-1].start()
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient("sys", connect_timeout_s=1.0, read_timeout_s=0.3, max_body_bytes=1000)
    yield made
    made.close()


def failure(client: HttpClient, method: str, url: str, **rest: object) -> ActionError:
    with pytest.raises(ActionError) as caught:
        client.request(method, url, **rest)
    return caught.value


def test_what_is_sent(serve: Serve, client: HttpClient) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Reply:
        seen.append(request)
        return Reply(body=b'{"a": 1}', headers={"X-Thing": "y", "Set-Cookie": "s=1"})

    url = serve(handler)
    answer = client.request(
        "POST", f"{url}/p?x=1", params={"y": "2 3"}, json={"k": "ü"}, headers={"content-type": "text/x"}
    )
    assert answer.json() == {"a": 1}
    assert answer.headers["x-thing"] == "y"
    assert (seen[0].method, seen[0].path, seen[0].query) == ("POST", "/p", {"x": "1", "y": "2 3"})
    assert seen[0].headers["content-type"] == "text/x"
    assert seen[0].body == b'{"k": "\\u00fc"}'
    client.request("PUT", url, data="grün")
    assert seen[1].body == "grün".encode()
    assert "cookie" not in seen[1].headers


def test_netrc_adds_no_credentials(
    serve: Serve, client: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    netrc = tmp_path / "netrc"  # type: ignore[operator]
    netrc.write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[Request] = []
    url = serve(lambda request: (seen.append(request), Reply())[1])
    client.request("GET", url, headers={"Authorization": "Bearer mine"})
    client.request("GET", url)
    assert [request.headers.get("authorization") for request in seen] == ["Bearer mine", None]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refused_was_never_sent(client: HttpClient, method: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error = failure(client, method, f"http://127.0.0.1:{port}/path?token=SECRET")
    assert type(error) is TemporaryError
    assert "refused" in str(error)
    assert f"http://127.0.0.1:{port}/path" in str(error)
    assert "SECRET" not in str(error)


def test_unknown_host_was_never_sent(client: HttpClient) -> None:
    error = failure(client, "POST", "http://no-such-host.invalid/x")
    assert type(error) is TemporaryError
    assert "cannot be resolved" in str(error)


def one_connection(talk: Callable[[socket.socket], None]) -> tuple[str, threading.Thread]:
    """A server for one connection; the thread ends when `talk` does."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                talk(peer)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"127.0.0.1:{server.getsockname()[1]}", thread


def test_tls_handshake_was_never_sent(client: HttpClient) -> None:
    address, thread = one_connection(lambda peer: peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    error = failure(client, "POST", f"https://{address}/")
    thread.join()
    assert type(error) is TemporaryError
    assert "TLS" in str(error)


def test_tls_error_after_the_handshake_is_unknown() -> None:
    late = ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]")
    wrapped = requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(late)))  # type: ignore[arg-type]
    assert type(transport_error("w", wrapped, repeatable=False, read_timeout_s=1)) is EffectUnknownError


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(delay_s=None), "no answer within 0.3 s"),
        (Reply(cut=True), "connection broke"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"), "connection broke"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "connection broke"),
        (Reply(raw=b"nonsense\r\n\r\n"), "connection broke"),
    ],
)
def test_broken_after_sending(serve: Serve, client: HttpClient, reply: Reply, says: str) -> None:
    url = serve(lambda _: reply)
    get, post = failure(client, "GET", url), failure(client, "POST", url)
    put = failure(client, "PUT", url, repeatable=True)
    assert (type(get), type(post), type(put)) == (TemporaryError, EffectUnknownError, TemporaryError)
    assert says in str(get)
    assert "may have taken effect" in str(post)


def test_a_body_that_drips_is_cut_off() -> None:
    closed = threading.Event()

    def drip(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(9):
            if closed.wait(0.02):
                return
            peer.sendall(b"x")

    address, thread = one_connection(drip)
    client = HttpClient("sys", read_timeout_s=5, clock=SteppingClock(FakeClock(), 3.0))
    error = failure(client, "GET", f"http://{address}/")
    closed.set()
    client.close()
    thread.join()
    assert type(error) is TemporaryError
    assert "no answer within 5 s" in str(error)


class SteppingClock:
    """Moves by a step whenever it is read."""

    def __init__(self, clock: FakeClock, step_s: float) -> None:
        self._clock, self._step_s, self._time = clock, step_s, 0.0

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        self._time += self._step_s
        return self._time

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


def test_bounded_body(serve: Serve, client: HttpClient) -> None:
    bodies = {"/fits": b"[" + b" " * 998 + b"]", "/long": b"x" * 5000}
    url = serve(lambda request: Reply(body=bodies[request.path]))
    assert client.request("GET", f"{url}/fits").json() == []
    long = client.request("GET", f"{url}/long")
    assert (long.truncated, len(long.body)) == (True, 1000)
    with pytest.raises(PermanentError, match="more than 1000 bytes"):
        long.json()
    with pytest.raises(EffectUnknownError):
        client.request("POST", f"{url}/long").json()


@pytest.mark.parametrize(("method", "kind"), [("GET", TemporaryError), ("POST", EffectUnknownError)])
def test_an_answer_that_is_not_json(
    serve: Serve, client: HttpClient, method: str, kind: type[ActionError]
) -> None:
    answer = client.request(method, serve(lambda _: Reply(body=b"<html>login</html>")))
    with pytest.raises(kind, match="not JSON"):
        answer.json()


def test_redirects_are_not_followed(serve: Serve, client: HttpClient) -> None:
    seen: list[str] = []

    def handler(request: Request) -> Reply:
        seen.append(request.path)
        return Reply(302, headers={"Location": "/elsewhere"})

    assert "redirect" in str(failure(client, "GET", serve(handler)))
    assert seen == ["/"]


STATUSES = [
    (400, PermanentError, PermanentError),
    (401, PermanentError, PermanentError),
    (403, PermanentError, PermanentError),
    (404, PermanentError, PermanentError),
    (408, TemporaryError, TemporaryError),
    (409, PermanentError, PermanentError),
    (425, TemporaryError, TemporaryError),
    (429, TemporaryError, TemporaryError),
    (500, TemporaryError, EffectUnknownError),
    (501, PermanentError, PermanentError),
    (502, TemporaryError, EffectUnknownError),
    (503, TemporaryError, EffectUnknownError),
    (504, TemporaryError, EffectUnknownError),
    (599, TemporaryError, EffectUnknownError),
]


@pytest.mark.parametrize(("status", "repeatable", "once"), STATUSES)
def test_statuses(status: int, repeatable: type[ActionError], once: type[ActionError]) -> None:
    for may, kind in ((True, repeatable), (False, once)):
        error = status_error("w", status, b'{"message": "no\\nway"}', {}, repeatable=may, now=0)
        assert type(error) is kind
        assert f"w answered {status}: no way" in str(error)


def test_503_that_says_when_to_come_back_did_nothing() -> None:
    error = status_error("w", 503, b"", {"retry-after": "7"}, repeatable=False, now=0)
    assert isinstance(error, TemporaryError)
    assert error.retry_after_s == 7.0


def test_an_html_error_page_becomes_its_title() -> None:
    body = b"<html><head><title>502 Bad\nGateway</title></head>" + b"<p>x" * 1000
    error = status_error("w", 404, body, {"content-type": "text/html"}, repeatable=True, now=0)
    assert str(error) == "w answered 404: an HTML page (502 Bad Gateway)"


def test_retry_after() -> None:
    now = 1_800_000_000.0
    assert retry_after_s({"retry-after": " 12 "}, now) == 12.0
    assert retry_after_s({"retry-after": formatdate(now + 30, usegmt=True)}, now) == 30.0
    assert retry_after_s({"retry-after": formatdate(now - 30, usegmt=True)}, now) == 0.0
    assert retry_after_s({"retry-after": "999999"}, now) == MAX_RETRY_AFTER_S
    for nonsense in ("", "soon", "-5", "1.5", "Mon, 99 Foo 2026"):
        assert retry_after_s({"retry-after": nonsense}, now) is None


@given(st.text())
def test_retry_after_is_bounded_or_none(value: str) -> None:
    found = retry_after_s({"retry-after": value}, 1_800_000_000.0)
    assert found is None or 0.0 <= found <= MAX_RETRY_AFTER_S


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_bounded_printable_line(value: str, limit: int) -> None:
    line = one_line(value, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert line == line.strip()


@given(st.text())
def test_origin_of_never_has_more_than_the_origin(value: str) -> None:
    try:
        origin = origin_of(value)
    except ValueError:
        return
    assert origin.startswith(("http://", "https://"))
    assert "@" not in origin
    assert "?" not in origin


def test_origin_of() -> None:
    assert origin_of("https://user:pw@Host.example:8443/p?q#f") == "https://host.example:8443"
    assert origin_of("http://[::1]:80/") == "http://[::1]:80"


@pytest.mark.parametrize("url", ["", "host/path", "ftp://host/", "http://", "http://[::1", "http://h:99999/"])
def test_an_invalid_url_is_permanent(client: HttpClient, url: str) -> None:
    assert type(failure(client, "GET", url)) is PermanentError


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ü€", " a"])
def test_an_invalid_header_is_permanent(client: HttpClient, value: str) -> None:
    error = failure(client, "GET", "http://127.0.0.1:1/", headers={"X-Text": value})
    assert type(error) is PermanentError
    assert "Evil" not in str(error)


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": object()}])
def test_a_body_that_json_cannot_say_is_permanent(client: HttpClient, body: object) -> None:
    assert type(failure(client, "POST", "http://127.0.0.1:1/", json=body)) is PermanentError


@given(url=st.text(), header=st.text(), body=st.text())
def test_no_foreign_error_comes_out(url: str, header: str, body: str) -> None:
    client = HttpClient("sys", connect_timeout_s=0.2, read_timeout_s=0.2)
    try:
        client.request("POST", f"http://127.0.0.1:1/{url}", headers={"X-Text": header}, data=body)
    except ActionError:
        pass
    finally:
        client.close()


def test_a_secret_path_stays_out_of_messages(serve: Serve) -> None:
    client = HttpClient("hook", show_path=False)
    url = serve(lambda _: Reply(404, b"no"))
    assert str(failure(client, "POST", f"{url}/services/T0/SECRET")) == f"hook: POST {url} answered 404: no"
    client.close()


def test_a_missing_ca_bundle_is_permanent(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
    error = failure(client, "GET", "https://127.0.0.1:1/")
    assert type(error) is PermanentError
    assert "CA bundle" in str(error)
