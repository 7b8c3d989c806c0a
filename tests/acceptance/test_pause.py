"""The kill switch on a whole service: what it stops, what it records, and how that is made up for."""

from __future__ import annotations

from typing import Any

from tests.acceptance.conftest import MakePod
from tests.acceptance.pod import Pod, incident

from automation_consumer.model.run import RunStatus


def config(**more: Any) -> dict[str, Any]:
    """`drain` waits for five seconds, `reboot` comes after it; `call` fails and is tried again for long."""
    return {
        "actions": [
            {"name": "drain", "type": "wait", "duration": 5},
            {"name": "reboot", "type": "log", "message": "rebooted"},
            {
                "name": "call",
                "type": "webhook",
                "url": "http://127.0.0.1:9/closed",
                "retry_count": 50,
                "retry_delay": 1.5,
            },
            {"name": "went_well", "type": "log", "message": "well"},
            {"name": "went_badly", "type": "log", "message": "badly"},
        ],
        "incident_conditions": [
            {
                "name": "reboots",
                "match": {"title": "reboot"},
                "alert_actions": ["drain", "reboot"],
                "on_success": ["went_well"],
                "on_failure": ["went_badly"],
            },
            {"name": "calls", "match": {"title": "call"}, "incident_actions": ["call"]},
        ],
        **more,
    }


def states(pod: Pod, action: str) -> list[RunStatus]:
    return [run.status for run in pod.runs(action=action)]


def seen(pod: Pod, pause_id: str) -> bool:
    return f'"pause":"{pause_id}"' in pod.said


def paused(pod: Pod, *words: str) -> str:
    """Pause, and wait until the service has seen it; the pause's id."""
    pod.until(lambda: "service.started" in pod.said, "the service runs")
    said = pod.ask("pause", *words, "--reason", "bad deploy", "--who", "kim", "-o", "json")
    assert said.code == 0, said.err
    pause_id: str = said.facts["id"]
    pod.until(lambda: seen(pod, pause_id), "the service has seen the pause")
    return pause_id


def test_nothing_comes_after_what_is_paused_and_all_of_it_can_be_run_later(make_pod: MakePod) -> None:
    """[drain, reboot] with drain paused must not reboot. Red when a pause's `then` is GO_ON."""
    pod = make_pod(config())
    process = pod.start()
    pause_id = paused(pod, "--action", "drain")
    pod.publish(incident(1, alerts=2, title="reboot"))
    pod.until(lambda: "condition.held" in pod.said, "the condition is held")
    (first, second) = pod.runs()
    assert {first.action, second.action} == {"drain"}
    assert first.status is RunStatus.SKIPPED
    assert first.reason == f"paused: by kim until somebody resumes it: bad deploy (pause {pause_id})"
    assert first.data["switch"] == pause_id
    pod.until(lambda: pod.committed() == pod.ends(), "a pause holds nothing up")

    said = pod.ask("resume", pause_id, "--run-skipped", "-o", "json")
    assert said.code == 0, said.err
    assert {each["run"] for each in said.facts["requests"]} == {first.id, second.id}
    pod.until(lambda: states(pod, "reboot") == [RunStatus.SUCCEEDED] * 2, "both were made up for")
    done = [run for run in pod.runs(action="drain") if run.status is RunStatus.SUCCEEDED]
    assert len(done) == 2
    pod.terminate(process)


def test_what_acts_finishes_and_what_would_come_next_does_not_begin(make_pod: MakePod) -> None:
    """Red when the pauses are known only from the start."""
    pod = make_pod(config())
    process = pod.start()
    pod.publish(incident(1, alerts=1, title="reboot"))
    pod.until(lambda: states(pod, "drain") == [RunStatus.WAITING], "drain is under way")
    paused(pod)
    pod.until(lambda: "condition.held" in pod.said, "the condition is held")
    assert states(pod, "drain") == [RunStatus.SUCCEEDED]
    assert states(pod, "reboot") == [RunStatus.SKIPPED]
    assert not states(pod, "went_well")
    assert not states(pod, "went_badly")
    pod.terminate(process)


def test_what_waits_for_its_next_try_is_stopped_by_a_pause(make_pod: MakePod) -> None:
    """It has passed the gate long ago. Red without the last look before each call."""
    pod = make_pod(config())
    process = pod.start()
    pod.publish(incident(1, alerts=1, title="call"))
    pod.until(lambda: states(pod, "call") == [RunStatus.RETRYING], "it waits for its next try")
    pause_id = paused(pod, "--action-type", "webhook")
    pod.until(lambda: states(pod, "call") == [RunStatus.SKIPPED], "it is skipped")
    (run,) = pod.runs(action="call")
    assert run.data["switch"] == pause_id
    listed = pod.ask("pause", "--list", "-o", "json").facts
    assert [(each["id"], each["runs_skipped"]) for each in listed] == [(pause_id, 1)]
    pod.terminate(process)


def test_a_restart_keeps_the_pause(make_pod: MakePod) -> None:
    """Red when the switchboard is not started."""
    pod = make_pod(config())
    process = pod.start()
    paused(pod, "--condition", "reboots")
    pod.terminate(process)
    pod.publish(incident(1, alerts=1, title="reboot"))
    process = pod.start()
    pod.until(lambda: bool(pod.runs()), "it is decided")
    pod.terminate(process)
    assert [(run.action, run.status) for run in pod.runs()] == [("drain", RunStatus.SKIPPED)]


def test_an_old_incident_is_recorded_and_nothing_else(make_pod: MakePod) -> None:
    """As after a weekend's outage. Red without `Stale` in the gate."""
    pod = make_pod(config(limits={"max_age": "1h"}))
    pod.publish(
        incident(1, alerts=1, title="reboot", updated_at=1_600_000_000, started_at=1_600_000_000),
        incident(2, alerts=1, title="reboot"),
    )
    facts = pod.once().facts
    assert facts["conditions"] == {"stopped": 1, "succeeded": 1}
    old = pod.runs(incident_id="INC-1")
    assert [(run.action, run.status, run.data["check"]) for run in old] == [
        ("drain", RunStatus.SKIPPED, "stale")
    ]
    assert "old, more than `max_age` (60 min)" in old[0].reason


def test_a_retried_run_runs_and_what_would_have_followed_it(make_pod: MakePod) -> None:
    """Red when a retry is the one action only."""
    pod = make_pod(config())
    broken = config()
    broken["actions"][0] = {"name": "drain", "type": "log", "message": "{{ nothing_like_it }}"}
    pod.write(broken)
    pod.publish(incident(1, alerts=1, title="reboot"))
    assert pod.once().code == 1
    (failed,) = pod.runs(action="drain")
    pod.write(config())
    process = pod.start()
    said = pod.ask("runs", "retry", failed.id)
    assert said.code == 0, said.err
    pod.until(lambda: states(pod, "reboot") == [RunStatus.SUCCEEDED], "what follows it has run")
    assert pod.ask("runs", "cancel", failed.id).code == 1
    pod.terminate(process)
