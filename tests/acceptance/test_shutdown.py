"""How a service ends: by one signal, by two, and while what it stands on is away."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import MakePod
from tests.acceptance.pages import Pages
from tests.acceptance.pod import Pod, incident, screwdriver, started
from tests.standins.http_server import HttpServer, Reply, Request
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.model.run import RunStatus

STALLED = (sys.executable, str(Path(__file__).with_name("stalled_run.py")))
ALERTS = [f"INC-1-a{n}" for n in range(4)]


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[HttpServer]:
    server = HttpServer(answer)
    server.start()
    yield server
    server.stop()


def calling(url: str, **fields: Any) -> dict[str, Any]:
    """A configuration that calls a webhook for every alert."""
    return {
        "actions": [{"name": "call", "type": "webhook", "url": f"{url}/hook", **fields}],
        "incident_conditions": [{"name": "all", "match": {"status": "critical"}, "alert_actions": ["call"]}],
    }


def test_remote_jobs_are_parked_and_the_next_process_goes_on_at_once(
    make_pod: MakePod, server: ScrewdriverStandin
):
    """Red when `Flow.stop` waits for the jobs, or cancels them, or when the journal keeps its lease."""
    server.job_seconds = 3600.0
    pod: Pod = make_pod(screwdriver(server))
    pod.publish(incident(1))
    process = pod.start()
    pod.until(lambda: len(pod.runs(status=RunStatus.WAITING)) == 4, "four jobs in flight")

    began = time.monotonic()
    stopped = pod.terminate(process)

    assert stopped.code == 0, stopped.err
    assert time.monotonic() - began < 10  # of the 60 s that actions would have
    assert len(pod.runs(status=RunStatus.WAITING)) == 4
    assert [event.stopped for event in server.events.values()] == [False] * 4
    server.job_seconds = 0.0
    assert pod.once().code == 0
    assert [run.status for run in pod.runs(action="fix")] == [RunStatus.SUCCEEDED] * 4
    assert started(server) == ALERTS


def test_an_action_that_runs_may_finish_and_is_committed(make_pod: MakePod):
    """Red when `Flow.stop` cancels at once: the call would end unknown."""
    with serving(lambda request: Reply(200, b"{}", delay_s=1.5)) as target:
        pod: Pod = make_pod(calling(target.url))
        pod.publish(incident(1))
        process = pod.start()
        pod.until(lambda: len(pod.runs(status=RunStatus.RUNNING)) == 4, "four calls under way")
        stopped = pod.terminate(process)
    assert stopped.code == 0, stopped.err
    assert [run.status for run in pod.runs()] == [RunStatus.SUCCEEDED] * 4
    assert pod.committed() == {0: 1}


def test_retries_that_wait_hold_nothing_back(make_pod: MakePod):
    """Red when a retry's wait is not ended by `Pauses.park`: the stop would take the whole drain timeout."""
    with serving(lambda request: Reply(429, b"{}")) as target:
        pod: Pod = make_pod(calling(target.url, retry_count=3, retry_delay="1h", expect_status=[200]))
        pod.publish(incident(1))
        process = pod.start()
        pod.until(lambda: len(pod.runs(status=RunStatus.RETRYING)) == 4, "four retries that wait")
        began = time.monotonic()
        stopped = pod.terminate(process)
    assert stopped.code == 0, stopped.err
    assert time.monotonic() - began < 10
    assert [(run.status, run.attempt) for run in pod.runs()] == [(RunStatus.RETRYING, 1)] * 4
    assert all(run.next_at is not None and run.next_at > time.time() for run in pod.runs())


def test_an_action_that_does_not_end_is_cut_off_and_its_run_is_nobody_elses_before_the_process_is_gone(
    make_pod: MakePod,
):
    """Red when `close_journal` gives the lease up although a call may still take effect."""
    with serving(lambda request: Reply(delay_s=None)) as target:
        pod: Pod = make_pod(calling(target.url))
        pod.publish(incident(1, alerts=1))
        process = pod.start("--drain-timeout", "500ms")
        pod.until(lambda: len(pod.runs(status=RunStatus.RUNNING)) == 1, "a call that gets no answer")
        stopped = pod.terminate(process)
    assert stopped.code == 0, stopped.err
    assert "journal.left" in stopped.err
    assert [run.status for run in pod.runs()] == [RunStatus.RUNNING]


def test_a_second_signal_ends_it_at_once_though_the_event_loop_stands_still(make_pod: MakePod):
    """Red with `loop.add_signal_handler`: a loop that stands still hears nothing."""
    pod: Pod = make_pod(calling("http://127.0.0.1:1"))
    process = pod.start(command=(*STALLED, "60"))
    Pages(pod)
    pod.until(lambda: "service.started" in pod.said, "the start")
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)  # two signals of one kind that wait at the same moment are one
    began = time.monotonic()
    ended = pod.terminate(process)
    assert ended.code == 130
    assert time.monotonic() - began < 5


def test_a_stop_that_the_event_loop_never_hears_is_given_up_in_time(make_pod: MakePod):
    """Red without the deadline of `Signals`: only the orchestrator's kill would end it."""
    pod: Pod = make_pod(calling("http://127.0.0.1:1"))
    process = pod.start("--drain-timeout", "100ms", command=(*STALLED, "120"))
    Pages(pod)
    pod.until(lambda: "service.started" in pod.said, "the start")
    process.send_signal(signal.SIGUSR1)
    began = time.monotonic()
    ended = pod.terminate(process)
    assert ended.code == 2
    assert "service.given_up" in ended.err
    assert time.monotonic() - began < 30


BROKER = """
import sys
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
with EmbeddedBroker({"incidents": 2, "incidents.dlq": 1}) as broker:
    print(broker.address, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("number", "said"), [(signal.SIGKILL, ""), (signal.SIGSTOP, "intake.left_behind")])
def test_a_broker_that_does_not_answer_does_not_hold_the_stop(
    tmp_path: Path, number: signal.Signals, said: str
):
    """Red without `LEAVE_S` in `Flow.stop`: a commit waits for a broker that is only silent until its session times out."""
    answered: list[Request] = []

    def answer(request: Request) -> Reply:
        answered.append(request)
        return Reply(200, b"{}", delay_s=1.0)

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with serving(answer) as target, subprocess.Popen([sys.executable, "-c", BROKER], **pipes) as broker:
        pod = Pod(tmp_path / "pod", broker.stdout.readline().strip(), calling(target.url))
        try:
            pod.publish(incident(1, alerts=1))
            process = pod.start()
            pod.until(lambda: len(answered) == 1, "a call under way")
            broker.send_signal(number)
            began = time.monotonic()
            stopped = pod.terminate(process)
            took_s = time.monotonic() - began
        finally:
            pod.close()
            broker.kill()
    assert stopped.code == 0, stopped.err
    assert took_s < 1 + 20
    assert said in stopped.err
    assert [run.status for run in pod.runs()] == [RunStatus.SUCCEEDED]
    assert "Traceback" not in stopped.err


def test_a_journal_that_cannot_be_written_does_not_hold_the_stop(make_pod: MakePod):
    """Red when the end waits for the journal without a limit: while its database is away, writes wait for ever."""
    with serving(lambda request: Reply(200, b"{}", delay_s=1.0)) as target:
        pod: Pod = make_pod(calling(target.url))
        pod.publish(incident(1, alerts=1))
        process = pod.start("--drain-timeout", "3s")
        pod.until(lambda: len(pod.runs(status=RunStatus.RUNNING)) == 1, "a call under way")
        other = sqlite3.connect(pod.folder / "journal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # nobody else can write as long as this lasts
        began = time.monotonic()
        stopped = pod.terminate(process)
        took_s = time.monotonic() - began
        other.close()
    assert stopped.code == 0, stopped.err
    assert took_s < 3 + 20
    assert "journal.left" in stopped.err
    assert [run.status for run in pod.runs()] == [RunStatus.RUNNING]
    assert pod.once().code == 1  # the call was cut off before its end was written: nobody can tell
    assert [run.status for run in pod.runs()] == [RunStatus.UNKNOWN]
