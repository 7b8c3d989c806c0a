"""Every secret of the configuration is known to the log before its first line."""

from __future__ import annotations

from tests.acceptance.conftest import MakePod

HOST = "hunter2-of-ours.invalid"


def test_a_secret_that_nothing_has_used_yet_is_masked_in_the_first_lines(make_pod: MakePod):
    """Red when `run` does not call `learn_all`, or sets the log up before: nothing but the log has the value so far."""
    config = {
        "kafka": {"bootstrap.servers": f"{HOST}:9092"},
        "actions": [{"name": "never", "type": "log", "message": "$secret:hook"}],
        "incident_conditions": [
            {"name": "all", "match": {"status": "critical"}, "incident_actions": ["never"]}
        ],
    }
    pod = make_pod(config, secrets={"HOOK": HOST})
    process = pod.start()
    pod.until(lambda: "***" in pod.said, "a line about the broker that is not there")
    pod.terminate(process)
    assert HOST not in pod.said
    assert HOST not in (pod.folder / "out").read_text()


def test_a_secret_that_is_not_there_is_told_at_the_start(make_pod: MakePod):
    """Not only when an incident comes. Red when `run` does not call `absent_secrets`."""
    config = {
        "actions": [{"name": "never", "type": "log", "message": "$secret:nobody"}],
        "incident_conditions": [
            {"name": "all", "match": {"status": "critical"}, "incident_actions": ["never"]}
        ],
    }
    pod = make_pod(config)
    process = pod.start()
    pod.until(lambda: "AUTOMATION_SECRET_NOBODY is not set" in pod.said, "the name of the variable")
    pod.terminate(process)
    (line,) = [each for each in pod.said.splitlines() if "SECRET_NOBODY" in each]
    assert ": warning: " in line
