"""The pages, over real sockets."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest
import requests
from prometheus_client import CollectorRegistry

from automation_consumer.errors import AutomationError
from automation_consumer.metrics import Metrics
from automation_consumer.web.health import Health
from automation_consumer.web.server import WebServer


class Process:
    """A process whose health the test sets."""

    def __init__(self) -> None:
        self.health = Health(True, True, {"lag": 3})
        self.mistake: Exception | None = None
        self.metrics = Metrics(CollectorRegistry())

    def ask(self) -> Health:
        if self.mistake:
            raise self.mistake
        return self.health


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def address(process: Process) -> Iterator[str]:
    server = WebServer("127.0.0.1", 0, process.metrics.registry, process.ask)
    yield server.start()
    server.stop()


def test_metrics_page(process, address):
    process.metrics.commit_failures.inc(2)
    page = requests.get(f"{address}/metrics", timeout=5)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/plain")
    assert "automation_commit_failures_total 2.0" in page.text


def test_metrics_page_as_open_metrics(address):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    page = requests.get(f"{address}/metrics", headers=accept, timeout=5)
    assert page.headers["Content-Type"].startswith("application/openmetrics-text")
    assert page.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("live", "ready", "healthy_status", "ready_status"),
    [(True, True, 200, 200), (True, False, 200, 503), (False, False, 503, 503), (False, True, 503, 503)],
)
def test_health_pages(process, address, live, ready, healthy_status, ready_status):
    process.health = Health(live, ready, {"lag": 3})
    healthy = requests.get(f"{address}/-/healthy?probe=1", timeout=5)
    readiness = requests.get(f"{address}/-/ready", timeout=5)
    assert (healthy.status_code, readiness.status_code) == (healthy_status, ready_status)
    assert healthy.json() == readiness.json() == {"live": live, "ready": ready, "lag": 3}


@pytest.mark.parametrize("path", ["/", "/-/", "/metrics/", "/etc/passwd", "/..%2f", "/-/healthy/x"])
def test_anything_else_is_not_found(address, path):
    assert requests.get(address + path, timeout=5).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_sent(address, method):
    assert requests.request(method, f"{address}/metrics", data=b"x" * 10, timeout=5).status_code == 404


def test_head_has_no_body_and_the_connection_goes_on(address):
    with requests.Session() as session:
        assert session.head(f"{address}/-/healthy", timeout=5).text == ""
        assert session.get(f"{address}/-/healthy", timeout=5).json()["live"] is True


def test_a_failing_health_call_is_logged_and_the_server_goes_on(process, address, caplog):
    process.mistake = RuntimeError("a bug")
    with caplog.at_level(logging.ERROR), pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/-/healthy", timeout=5)
    process.mistake = None
    assert requests.get(f"{address}/-/healthy", timeout=5).status_code == 200
    assert [record.fields["event"] for record in caplog.records] == ["web.failed"]


def test_requests_are_not_logged_at_info(address, caplog):
    with caplog.at_level(logging.INFO):
        requests.get(f"{address}/-/healthy", timeout=5)
    assert caplog.records == []


def test_many_at_once(address):
    sockets = [socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) for _ in range(10)]
    try:
        assert requests.get(f"{address}/-/ready", timeout=5).status_code == 200  # though ten say nothing
    finally:
        for each in sockets:
            each.close()


def test_a_port_that_is_taken(address, process):
    port = int(address.rpartition(":")[2])
    second = WebServer("127.0.0.1", port, process.metrics.registry, process.ask)
    with pytest.raises(AutomationError, match=rf"cannot listen on 127.0.0.1:{port}"):
        second.start()
    second.stop()


def test_after_stop_nobody_answers(process):
    server = WebServer("127.0.0.1", 0, process.metrics.registry, process.ask)
    address = server.start()
    server.stop()
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/-/healthy", timeout=5)
