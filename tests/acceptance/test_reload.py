"""A running service whose configuration changes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import yaml
from tests.acceptance.conftest import MakePod
from tests.acceptance.pages import Pages
from tests.acceptance.pod import Pod, incident, screwdriver
from tests.standins.screwdriver import ScrewdriverStandin

from automation_consumer.model.run import RunStatus


def noting(text: str, **rest: Any) -> dict[str, Any]:
    """A configuration that logs `text` for every alert."""
    return {
        "actions": [{"name": "note", "type": "log", "message": text}],
        "incident_conditions": [{"name": "all", "match": {"status": "critical"}, "alert_actions": ["note"]}],
        **rest,
    }


class Mount:
    """The configuration of a pod as a mounted ConfigMap: a link to a folder of links to a folder that is swapped."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._folder: Path = pod.folder / "mounted"
        self._folder.mkdir()
        self._source = pod.file
        self._versions = 0
        self.swap()
        (self._folder / "config.yaml").symlink_to("..data/config.yaml")
        pod.file = self._folder

    def swap(self) -> None:
        """What the kubelet does when the ConfigMap has changed to what the pod's own file says."""
        self._versions += 1
        version = self._folder / f"..2026_{self._versions}"
        version.mkdir()
        (version / "config.yaml").write_text(self._source.read_text())
        (self._folder / "..data_tmp").symlink_to(version.name)
        (self._folder / "..data_tmp").replace(self._folder / "..data")

    def change(self, config: dict[str, Any]) -> None:
        folder, self._pod.file = self._pod.file, self._source
        self._pod.write(config)
        self._pod.file = folder
        self.swap()


def notes(pod: Pod) -> dict[str, list[str]]:
    """What was logged for each incident."""
    found: dict[str, list[str]] = {}
    for run in pod.runs(action="note", status=RunStatus.SUCCEEDED):
        found.setdefault(run.incident_id, []).append(run.params["message"])
    return found


def test_a_config_map_that_changes_is_used_for_what_comes_then_and_work_under_way_keeps_its_own(
    make_pod: MakePod, server: ScrewdriverStandin
):
    """Red when `Flow` asks for the ruleset where it handles a `Work`: what was taken before would follow the new one."""
    server.job_seconds = 3600.0
    config = screwdriver(server)
    pod: Pod = make_pod(config)
    mount = Mount(pod)
    process = pod.start()
    pages = Pages(pod)
    before = pages.facts["config_version"]
    pod.publish(incident(1))
    pod.until(lambda: len(pod.runs(status=RunStatus.WAITING)) == 4, "four jobs in flight")
    pod.publish(incident(1, alerts=5))
    pod.until(lambda: pages.facts["messages_in_flight"] == 2, "a message that waits for the one before it")

    config["actions"][1]["message"] = "mended {{ id }}"
    mount.change(config)
    pod.until(lambda: pages.facts["config_version"] != before, "the new version")

    pod.publish(incident(2))
    pod.until(lambda: len(pod.runs(status=RunStatus.WAITING)) == 8, "eight jobs in flight")
    server.job_seconds = 0.0
    pod.until(lambda: sum(map(len, notes(pod).values())) == 9, "all notes")
    assert sorted(notes(pod)["INC-1"]) == [f"fixed INC-1-a{n}" for n in range(5)]
    assert sorted(notes(pod)["INC-2"]) == [f"mended INC-2-a{n}" for n in range(4)]
    after = pages.facts["config_version"]
    assert {run.config_version for run in pod.runs(incident_id="INC-1")} == {before}
    assert {run.config_version for run in pod.runs(incident_id="INC-2")} == {after}
    assert pages.metric("automation_config_info", version=after) == 1
    assert pages.metric("automation_config_info", version=before) == 0
    assert pages.metric("automation_config_reloads_total", result="ok") == 1
    assert pod.terminate(process).code == 0


def test_a_bad_config_never_runs_and_the_health_page_says_what_is_wrong(make_pod: MakePod):
    """Red when `Reloader.reload` puts in use what has errors."""
    pod: Pod = make_pod(noting("first"))
    process = pod.start()
    pages = Pages(pod)
    before = pages.facts["config_version"]
    bad = noting("second")
    bad["incident_conditions"][0]["alert_actions"] = ["nobody"]
    pod.write(bad)
    pod.until(lambda: pages.facts["config_error"], "the refusal")
    assert "config.yaml:" in pages.facts["config_error"]
    assert "nobody" in pages.facts["config_error"]
    assert pages.facts["config_version"] == before
    assert pages.metric("automation_config_reloads_total", result="refused") == 1
    assert (pages.status("/-/healthy"), pages.status("/-/ready")) == (200, 200)
    pod.publish(incident(1, alerts=1))
    pod.until(lambda: notes(pod) == {"INC-1": ["first"]}, "the note of the last good config")

    pod.write(noting("third"))
    pod.until(lambda: pages.facts["config_version"] != before, "the mended config")
    assert pages.facts["config_error"] is None
    pod.publish(incident(2, alerts=1))
    pod.until(lambda: notes(pod).get("INC-2") == ["third"], "the note of the mended config")
    assert pod.terminate(process).code == 0


def test_what_needs_a_restart_is_refused_as_a_whole_and_says_so(make_pod: MakePod):
    pod: Pod = make_pod(noting("first"))
    process = pod.start()
    pages = Pages(pod)
    pod.write(noting("second", kafka={"topics": ["others"]}))
    pod.until(lambda: pages.facts["config_error"], "the refusal")
    assert "kafka.topics cannot change while the process runs" in pages.facts["config_error"]
    pod.publish(incident(1, alerts=1))
    pod.until(lambda: notes(pod) == {"INC-1": ["first"]}, "the note of the old config")
    assert pod.terminate(process).code == 0


def test_sighup_reloads_at_once_also_where_files_are_not_watched(make_pod: MakePod):
    """Red when SIGHUP is not handled: by default it ends the process."""
    service = {"port": 0, "log_format": "json", "reload": "signal"}
    pod: Pod = make_pod(noting("first", service=service))
    process = pod.start()
    pages = Pages(pod)
    before = pages.facts["config_version"]
    pod.write(noting("second", service=service))
    process.send_signal(signal.SIGHUP)
    pod.until(lambda: pages.facts["config_version"] != before, "the new version")
    pod.publish(incident(1, alerts=1))
    pod.until(lambda: notes(pod) == {"INC-1": ["second"]}, "the note of the new config")
    assert pod.terminate(process).code == 0


def test_nothing_is_lost_and_nothing_done_twice_while_reloads_go_on(
    make_pod: MakePod, server: ScrewdriverStandin
):
    """Red when a reload makes new parts of the road and loses what the old ones had in hand."""
    config = screwdriver(server)
    pod: Pod = make_pod(config)
    process = pod.start()
    pages = Pages(pod)
    for number in range(20):
        config["actions"][1]["message"] = f"config {number}"
        whole = yaml.safe_load(pod.file.read_text())
        pod.file.write_text(yaml.safe_dump({**whole, "actions": config["actions"]}))
        process.send_signal(signal.SIGHUP)
        pod.publish(incident(number), partition=number % 2)
    done = lambda: len(pod.runs(action="sum_up", status=RunStatus.SUCCEEDED)) == 20  # noqa: E731
    pod.until(done, "all incidents")
    assert {len(found) for found in notes(pod).values()} == {4}
    assert len(server.events) == 80
    assert pages.metric("automation_config_reloads_total", result="ok") >= 1
    assert pod.terminate(process).code == 0
