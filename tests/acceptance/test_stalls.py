"""A service that stands still, and one that was stopped by its machine."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import MakePod
from tests.acceptance.pages import Pages
from tests.acceptance.pod import Pod, incident

STALLED = (sys.executable, str(Path(__file__).with_name("stalled_run.py")))
CONFIG: dict[str, Any] = {
    "service": {"port": 0, "log_format": "json", "stall_after": "1s"},
    "actions": [{"name": "note", "type": "log", "message": "{{ id }}"}],
    "incident_conditions": [{"name": "all", "match": {"status": "critical"}, "alert_actions": ["note"]}],
}


def lines(pod: Pod, event: str) -> list[Any]:
    """What the service has logged under this name."""
    found = [json.loads(line) for line in pod.said.splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_a_loop_that_stands_still_fails_liveness_and_its_stacks_are_in_the_log(make_pod: MakePod):
    """Red when the health page is answered by the event loop, or when `HealthReport` does not ask the watchdog."""
    pod: Pod = make_pod(CONFIG)
    process = pod.start(command=(*STALLED, "4"))
    pages = Pages(pod)
    pod.until(lambda: pages.status() == 200 and "service.started" in pod.said, "a live process")

    process.send_signal(signal.SIGUSR1)
    pod.until(lambda: pages.status() == 503, "a dead process")
    assert pages.facts["standing_still"]["loop"] >= 1
    assert pages.status("/-/ready") == 503
    pod.until(lambda: pages.status() == 200, "a live process again")

    assert pages.metric("automation_stalls_total", what="loop") == 1
    assert pages.metric("automation_loop_lag_seconds") >= 1
    pod.until(lambda: lines(pod, "stall.over"), "the line of its end")
    stacks = {line["thread"]: line["stack"] for line in lines(pod, "stall.thread")}
    assert "stand_still" in stacks["MainThread"]
    assert "poll" in stacks
    pod.publish(incident(1, alerts=1))
    pod.until(lambda: len(pod.runs()) == 1, "work as before")
    assert pod.terminate(process).code == 0


def test_a_process_that_was_stopped_for_some_seconds_reports_no_stall_of_its_own(make_pod: MakePod):
    """Red without `_look_at_ourselves`: every thread of a frozen process seems to stand still."""
    pod: Pod = make_pod(CONFIG)
    process = pod.start()
    pages = Pages(pod)
    pod.until(lambda: pages.status() == 200 and "service.started" in pod.said, "a live process")
    process.send_signal(signal.SIGSTOP)
    signal.sigtimedwait([], 3.0)
    process.send_signal(signal.SIGCONT)
    pod.until(lambda: lines(pod, "process.frozen"), "the line that says so")
    assert 2 < lines(pod, "process.frozen")[0]["seconds"] < 10
    assert pages.status() == 200
    assert pages.metric("automation_stalls_total", what="loop") == 0
    assert pages.metric("automation_stalls_total", what="poll") == 0
    assert lines(pod, "stall.begun") == []
    assert pod.terminate(process).code == 0
