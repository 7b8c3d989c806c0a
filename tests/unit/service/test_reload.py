"""A new configuration in a running process."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import weakref
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.service.still_clock import StillClock

from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Kafka
from automation_consumer.metrics import Metrics
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.config_files import ConfigFiles, fingerprint
from automation_consumer.service.reload import CurrentRules, Reloader
from automation_consumer.service.rules import check

CONFIG = """\
version: 1
kafka: {topics: [incidents], format: bigpanda}
actions:
  - {name: note, type: log, message: "%s"}
incident_conditions: [{name: one, match: {status: critical}, alert_actions: [note]}]
"""
REGISTRY = Registry.installed()


class Process:
    """What a reload works on, with a config in a folder of the test."""

    def __init__(self, path: Path, *, environ=None, **rest) -> None:
        self.path = path
        self.environ = {} if environ is None else environ
        self.files = ConfigFiles.about_to_be_read([path])
        ruleset = self.check().need()
        self.secrets = SecretStore(ruleset.config.settings.secrets, self.environ)
        self.metrics = Metrics(CollectorRegistry())
        self.rules = CurrentRules(ruleset)
        self.clock = StillClock()
        self.reloader = Reloader(
            self.files, self.rules, self.check, self.secrets, self.metrics, self.clock, **rest
        )

    def check(self):
        return check(self.files.paths, REGISTRY, self.environ)

    @property
    def message(self) -> str:
        """What the action of the ruleset in use would log."""
        return self.rules.current.action("note").spec.params["message"]

    def count(self, result: str) -> float:
        name = "automation_config_reloads_total"
        return self.metrics.registry.get_sample_value(name, {"result": result})


class Ring:
    """A part of a configuration that refers to itself."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG % "first")
    return path


def looks(process: Process, times: int) -> list[str]:
    """The message in use after each look."""
    found = []
    for _ in range(times):
        process.reloader.look()
        found.append(process.message)
    return found


# --- what counts as a change -----------------------------------------------------------------------------------------


def test_a_changed_file_is_in_use_after_two_looks_and_nothing_is_read_before(file):
    """Red when `look` reloads at the first difference: a file that is being written would be read in halves."""
    process = Process(file)
    assert looks(process, 2) == ["first", "first"]
    file.write_text(CONFIG % "second")
    assert looks(process, 3) == ["first", "second", "second"]
    assert process.count("ok") == 1


def test_a_file_that_is_still_being_written_is_left_alone(file):
    """Red when `look` compares with the last read only, and not with the last look."""
    process = Process(file)
    for text in ("version: 1\nkafka:", CONFIG % "sec", CONFIG % "second"):
        file.write_text(text)
        process.reloader.look()
    assert (process.message, process.count("refused")) == ("first", 0)
    assert looks(process, 1) == ["second"]


def test_a_config_map_that_is_swapped_is_seen(tmp_path):
    """Red when `_look` leaves out the resolved path and the inode: the new folder's files may have the old times and sizes."""
    for version, text in (("..2026_01", "first"), ("..2026_02", "third")):
        (tmp_path / version).mkdir()
        written = tmp_path / version / "config.yaml"
        written.write_text(CONFIG % text)
        os.utime(written, (1_700_000_000, 1_700_000_000))
    (tmp_path / "..data").symlink_to("..2026_01")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    folder, one = Process(tmp_path), Process(tmp_path / "config.yaml")
    assert (folder.message, one.message) == ("first", "first")

    (tmp_path / "..data_tmp").symlink_to("..2026_02")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    shutil.rmtree(tmp_path / "..2026_01")

    assert looks(folder, 2) == ["first", "third"]
    assert looks(one, 2) == ["first", "third"]


def test_a_file_that_comes_or_goes_is_seen(tmp_path, file):
    """Red when only the folder itself is looked at, or only the files of the start."""
    process = Process(tmp_path)
    more = tmp_path / "team.yaml"
    more.write_text(
        "version: 1\nincident_conditions: [{name: two, match: {status: warning}, alert_actions: [note]}]\n"
    )
    looks(process, 2)
    assert len(process.rules.current.conditions) == 2
    file.write_text(CONFIG % "second")
    looks(process, 2)
    assert process.message == "second"
    more.unlink()
    looks(process, 2)
    assert len(process.rules.current.conditions) == 1


def test_a_file_that_is_gone_is_a_refusal_and_its_return_mends_it(file):
    process = Process(file)
    text = file.read_text()
    file.unlink()
    assert looks(process, 2) == ["first", "first"]
    assert str(file) in process.reloader.error
    file.write_text(text)
    looks(process, 2)
    assert process.reloader.error is None


def test_a_change_between_the_reading_by_the_command_and_the_first_look_is_not_missed(file):
    """Red when the reloader takes its first fingerprint itself, instead of the one from before the config was read."""
    files = ConfigFiles.about_to_be_read([file])
    file.write_text(CONFIG % "second")
    assert files.seen != fingerprint([file])


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_bad_config_never_runs_and_says_where_it_is_wrong(file, caplog):
    """Red when `reload` puts a ruleset in use although there are errors, or logs no place."""
    process = Process(file)
    version = process.rules.current.config.version
    file.write_text(CONFIG.replace("[note]", "[nobody]").replace("name: note", "nam: note") % "second")
    with caplog.at_level(logging.ERROR):
        assert looks(process, 4) == ["first"] * 4
    assert process.rules.current.config.version == version
    assert process.count("refused") == 1  # once, not at every look
    assert process.reloader.error.startswith(f"{file}:4:")
    assert "more)" in process.reloader.error
    said = [record for record in caplog.records if record.fields["event"] == "config.problem"]
    assert {record.fields["line"] for record in said} == {4, 5}
    assert [r.fields["version"] for r in caplog.records if r.fields["event"] == "config.refused"] == [version]


def test_a_good_config_after_a_bad_one_is_in_use(file):
    process = Process(file)
    file.write_text("version: 2")
    assert not process.reloader.reload("SIGHUP")
    file.write_text(CONFIG % "second")
    assert process.reloader.reload("SIGHUP")
    assert (process.message, process.reloader.error) == ("second", None)
    assert process.count("refused") == process.count("ok") == 1


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("store: sqlite:///other.db", "store"),
        ("limits: {worker_threads: 3}", "limits.worker_threads"),
        ("secrets: {prefix: OTHER_}", "secrets.prefix"),
        ("service: {port: 81}", "service.port"),
        ("service: {reload: signal}", "service.reload"),
    ],
)
def test_what_cannot_change_in_a_running_process_is_refused_as_a_whole(file, section, key):
    """Red when `changed_for_good` finds nothing: half of the new configuration would run."""
    process = Process(file)
    file.write_text(CONFIG % "second" + section + "\n")
    assert not process.reloader.reload("SIGHUP")
    assert process.message == "first"
    assert process.reloader.error.startswith(f"{file}:6:")
    assert f"{key} cannot change while the process runs" in process.reloader.error


@pytest.mark.parametrize(
    "kafka",
    [
        "{topics: [other], format: bigpanda}",
        "{topics: [incidents], format: bigpanda, session.timeout.ms: 9000}",
    ],
)
def test_another_kafka_section_is_refused(file, kafka):
    process = Process(file)
    file.write_text((CONFIG % "second").replace("{topics: [incidents], format: bigpanda}", kafka))
    assert not process.reloader.reload("SIGHUP")
    assert "kafka." in process.reloader.error
    assert f"{file}:2:" in process.reloader.error


def test_what_is_asked_for_at_each_use_may_change(file):
    process = Process(file)
    file.write_text(
        CONFIG % "second"
        + "service: {drain_timeout: 5s, log_level: debug, stall_after: 1m}\nstore_retention: 1d\n"
        + "connections: {slack: {url: 'https://slack.example'}}\nvars: {team: data}\n"
    )
    assert process.reloader.reload("SIGHUP"), process.reloader.error
    assert process.rules.stall_after_s() == 60
    assert process.rules.retention_s() == 86_400


def test_a_mistake_of_the_checks_is_a_refusal_and_not_the_end_of_reloading(file):
    """Red when `reload` lets the error out: its thread would end, and no later change would be seen."""
    process = Process(file)
    whole, process.reloader._check = process.reloader._check, lambda: {}["no"]
    assert not process.reloader.reload("SIGHUP")
    assert "KeyError" in process.reloader.error
    process.reloader._check = whole
    assert process.reloader.reload("SIGHUP")


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_the_kafka_section_that_is_really_used_stays(file):
    """Red when the ruleset of the files is used as it is: `--dry-run` would act under the real group's settings."""
    process = Process(file)
    used = Kafka.model_validate({"topics": ["incidents"], "group.id": "automation-consumer.dry-run"})
    process.rules.current = process.rules.current.with_kafka(used)
    file.write_text(CONFIG % "second")
    assert process.reloader.reload("SIGHUP"), process.reloader.error
    assert process.rules.current.config.settings.kafka == used
    assert process.message == "second"


def test_a_secret_that_is_named_newly_is_masked_before_the_rules_are_used(file):
    """Red without `learn_all`, or when it comes after the rules are in use."""
    masked = []
    process = Process(
        file,
        environ={"AUTOMATION_SECRET_HOOK": "s3cr3t-hunter2"},
        adopted=lambda before, after: masked.append(process.secrets.masker.mask("s3cr3t-hunter2")),
    )
    assert process.secrets.masker.mask("s3cr3t-hunter2") == "s3cr3t-hunter2"
    file.write_text(CONFIG % "$secret:hook")
    assert process.reloader.reload("SIGHUP")
    assert masked == ["***"]


def test_a_secret_in_a_problem_is_masked_on_the_health_page(file):
    process = Process(file, environ={"AUTOMATION_SECRET_HOOK": "s3cr3t-hunter2"})
    process.secrets.get("hook")
    file.write_text((CONFIG % "x").replace("[note]", "[s3cr3t-hunter2]"))
    assert not process.reloader.reload("SIGHUP")
    assert "s3cr3t" not in process.reloader.error


def test_variables_are_those_of_the_process(file):
    process = Process(file, environ={"TEXT": "of the process"})
    file.write_text(CONFIG % "${TEXT}")
    assert process.reloader.reload("SIGHUP")
    assert process.message == "of the process"


def test_metrics_and_the_callback_tell_which_version_is_in_use(file):
    changes = []
    process = Process(file, adopted=lambda before, after: changes.append((before, after)))
    first = process.rules.current
    process.clock.time_s += 60
    file.write_text(CONFIG % "second")
    process.reloader.reload("SIGHUP")
    second = process.rules.current
    assert changes == [(first, second)]
    value = process.metrics.registry.get_sample_value
    assert value("automation_config_info", {"version": second.config.version}) == 1
    assert value("automation_config_info", {"version": first.config.version}) is None
    assert value("automation_config_loaded_timestamp_seconds") == process.clock.now()


def test_the_configurations_before_do_not_pile_up(file):
    """Red without `gc.unfreeze()` in `_settle_memory`: what was frozen at the start is never looked at again."""
    process = Process(file)
    ring = Ring()
    ring.itself = ring  # so that only the collector can let go of it
    process.rules.current._actions["ring"] = ring
    before = weakref.ref(ring)
    del ring
    gc.collect()
    gc.freeze()
    file.write_text(CONFIG % "second")
    assert process.reloader.reload("SIGHUP")
    gc.collect()
    assert before() is None
    gc.unfreeze()


# --- the thread ------------------------------------------------------------------------------------------------------


def test_a_request_is_fulfilled_by_the_thread_without_a_look(file, until):
    process = Process(file, mode="signal")
    process.reloader.start()
    file.write_text(CONFIG % "second")
    process.reloader.request()
    until(lambda: process.message == "second")
    process.reloader.stop()
    process.reloader._thread.join(10)
    assert not process.reloader._thread.is_alive()


def test_with_reload_off_a_request_changes_nothing(file, until, caplog):
    process = Process(file, mode="off")
    process.reloader.start()
    file.write_text(CONFIG % "second")
    process.reloader.request()
    until(lambda: "service.reload is off" in caplog.text)
    process.reloader.stop()
    process.reloader._thread.join(10)
    assert (process.message, process.count("ok")) == ("first", 0)


def test_a_secret_that_is_not_there_is_a_warning_with_its_place(file, caplog):
    """It is in use all the same. Red without `absent_secrets` in `reload`."""
    process = Process(file, environ={"AUTOMATION_SECRET_THERE": "s3cr3t-token"})
    file.write_text(CONFIG % "$secret:there $secret:nobody")
    assert process.reloader.reload("SIGHUP")
    (said,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert said.getMessage().startswith(f"{file}:4:")
    assert "AUTOMATION_SECRET_NOBODY is not set" in said.getMessage()
