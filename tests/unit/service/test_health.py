"""What the health pages answer, from the parts of a service that is put together and not started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.service.still_clock import StillClock

from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Secrets
from automation_consumer.errors import StoreError
from automation_consumer.metrics import Metrics
from automation_consumer.model.switch import Scope, Switch
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.build import build
from automation_consumer.service.config_files import ConfigFiles
from automation_consumer.service.health import HealthReport
from automation_consumer.service.reload import CurrentRules, Reloader
from automation_consumer.service.rules import check
from automation_consumer.service.watchdog import Watchdog
from automation_consumer.store.memory import MemoryJournal

CONFIG = """\
version: 1
kafka: {topics: [incidents]}
actions: [{name: note, type: log, message: hello}]
incident_conditions: [{name: one, match: {status: critical}, alert_actions: [note]}]
"""


class Process:
    """A service that is put together, and its health."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.clock = StillClock()
        files = ConfigFiles.about_to_be_read([file])
        ruleset = self.check().need()
        self.secrets = secrets = SecretStore(Secrets(), {})
        metrics = Metrics(CollectorRegistry())
        self.rules = CurrentRules(ruleset)
        self.reloader = Reloader(files, self.rules, self.check, secrets, metrics, self.clock)
        self.journal = MemoryJournal()
        self.service = build(
            self.rules.get, secrets, ruleset.config.settings.kafka, self.journal, metrics, self.clock
        )
        self.watchdog = Watchdog(
            stall_after=lambda: 10.0,
            poll_seen=lambda: self.service.intake.last_round_at,
            poll_patience_s=45.0,
            metrics=metrics,
            clock=self.clock,
        )
        self.report = HealthReport(
            self.service, self.journal, self.rules, self.watchdog, self.clock, self.reloader
        )

    def check(self):
        return check([self.file], Registry.installed(), {})

    @property
    def state(self) -> tuple[bool, bool]:
        """(live, ready)."""
        health = self.report()
        return health.live, health.ready


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    made = Process(file)
    yield made
    made.service.close()


async def test_it_is_ready_when_it_has_joined_its_group(process):
    assert process.state == (True, False)
    process.service.intake.assigned([("incidents", 0)])
    assert process.state == (True, True)


async def test_while_nothing_is_taken_it_is_not_ready_and_says_why(process):
    """Red when `ready` leaves out the holds."""
    process.service.intake.assigned([("incidents", 0)])
    process.service.intake.hold("poison", True)
    assert process.state == (True, False)
    assert process.report().facts["held"] == ["poison"]
    process.service.intake.hold("poison", False)
    assert process.state == (True, True)


async def test_a_process_that_stops_is_live_and_not_ready(process):
    process.service.intake.assigned([("incidents", 0)])
    process.service.flow.stopping = True
    assert process.state == (True, False)


async def test_a_process_that_has_failed_is_not_live(process):
    process.service.flow.fail(StoreError("the disk is gone"))
    assert process.state == (False, False)


async def test_a_polling_thread_that_stands_still_is_said_at_once_and_kills_only_after_a_session_timeout(
    process,
):
    """Red when `live` is the age of the last round against one fixed limit."""
    process.service.intake.assigned([("incidents", 0)])
    for _ in range(12):
        process.clock.time_s += 1
        process.watchdog.look()
    assert process.state == (True, True)
    assert process.report().facts["standing_still"] == {"poll": 12.0}
    process.clock.time_s += 45
    assert process.state == (False, False)


async def test_the_facts_say_which_configuration_is_used_and_why_a_newer_one_is_not(process):
    version = process.rules.current.config.version
    process.file.write_text(CONFIG.replace("[note]", "[nobody]"))
    process.reloader.reload("SIGHUP")
    facts = process.report().facts
    assert facts["config_version"] == version
    assert facts["config_error"].startswith(f"{process.file}:4:")


async def test_a_secret_in_the_reason_of_a_pause_is_masked(process):
    """Everybody may see the page. Red when `build` gives the switchboard no mask."""
    process.secrets.masker.add("s3cr3t-token")
    await process.journal.pause(
        Switch("p1", Scope.EVERYTHING, "", "kim", "the token s3cr3t-token leaked", 1.0)
    )
    await process.service.switchboard.look()
    assert process.report().facts["pauses"][0]["why"] == "the token *** leaked"


async def test_a_journal_that_is_away_is_a_fact(process):
    assert process.report().facts["journal_available"]
    process.journal.go_away()
    assert not process.report().facts["journal_available"]
