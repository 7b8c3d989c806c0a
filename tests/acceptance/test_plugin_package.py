"""A package made by `new-action`, in a fresh virtual environment: installed with pip, found, validated, tested, run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from automation_consumer.integrations.kafka_producer import KafkaProducer
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

REPOSITORY = Path(__file__).parents[2]
NAME = "restart_service"
INCIDENT = {
    "id": "INC-1",
    "title": "nginx is down",
    "status": "critical",
    "active": True,
    "alerts": [{"id": "a1", "status": "critical", "tags": [{"name": "host", "value": "web7"}]}],
}
CONFIG = """\
version: 1
kafka:
  bootstrap.servers: {bootstrap}
  topics: [incidents]
  start_at: earliest
  fetch.wait.max.ms: 5
store: sqlite:///{store}
actions:
  - name: restart_it
    type: restart_service
    target: "{{{{ host }}}}"
    {field}: "{{{{ incident.title }}}}"
incident_conditions:
  - name: down
    match: {{status: critical}}
    alert_actions: [restart_it]
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with this project and the plugin in it."""

    folder: Path
    plugin: Path

    def run(self, *command: str | Path, code: int = 0) -> str:
        """What a program of the environment writes to stdout; it must end with `code`."""
        program, *rest = command
        done = subprocess.run(
            [self.folder / "bin" / program, *rest],
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
            cwd=self.folder,
            env={**os.environ, "VIRTUAL_ENV": str(self.folder), "PYTHONPATH": ""},
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def config(self, name: str, bootstrap: str = "localhost:9092", field: str = "reason") -> Path:
        path = self.folder / name
        text = CONFIG.format(bootstrap=bootstrap, store=self.folder / "journal.db", field=field)
        path.write_text(text)
        return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("plugin") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    environment = Environment(folder, folder / "made")
    environment.run("pip", "install", "--quiet", REPOSITORY)
    environment.run("automation-consumer", "new-action", NAME, "--dir", environment.plugin)
    environment.run("pip", "install", "--quiet", f"{environment.plugin}[test]")
    return environment


def test_it_is_listed_among_the_installed_types(made: Environment):
    listed = json.loads(made.run("automation-consumer", "actions", "-o", "json"))

    assert {each["type"]: each["effect"] for each in listed}[NAME] == "change"
    assert {"screwdriver", "webhook", "log"} <= {each["type"] for each in listed}


def test_its_docs_show_its_fields_and_example(made: Environment):
    docs = json.loads(made.run("automation-consumer", "actions", NAME, "-o", "json"))

    assert [field["name"] for field in docs["fields"] if field["own"]] == ["target", "reason"]
    assert f"type: {NAME}" in docs["example"]


def test_its_schema_has_its_fields_and_the_common_ones(made: Environment):
    schema = json.loads(made.run("automation-consumer", "schema", NAME))

    assert {"target", "reason", "retry_count", "timeout"} <= set(schema["properties"])
    assert "target" in schema["required"]


def test_a_config_that_uses_it_is_valid(made: Environment):
    found = made.run("automation-consumer", "validate", made.config("good.yaml"), "--strict", "-o", "json")

    assert json.loads(found) == []


def test_a_wrong_field_is_refused_with_its_place_and_a_suggestion(made: Environment):
    config = made.config("bad.yaml", field="reasons")

    out = made.run("automation-consumer", "validate", config, code=1)

    line = next(
        number for number, text in enumerate(config.read_text().splitlines(), 1) if "reasons:" in text
    )
    assert f"bad.yaml:{line}:5: error: " in out
    assert "'reasons'" in out
    assert "did you mean 'reason'?" in out


def test_its_own_tests_pass_as_they_were_made(made: Environment):
    assert "6 passed" in made.run("pytest", "-p", "no:cacheprovider", made.plugin)


def test_the_service_runs_it_for_an_incident(made: Environment):
    with EmbeddedBroker({"incidents": 1}) as broker:
        config = made.config("live.yaml", broker.address)
        producer = KafkaProducer({"bootstrap.servers": broker.address})
        producer.send("incidents", json.dumps(INCIDENT).encode())
        producer.close()

        ended = json.loads(made.run("automation-consumer", "run", "-c", config, "--once", "-o", "json"))

    assert (ended["incidents"], ended["matched"], ended["runs"]) == (1, 1, {"succeeded": 1})
    [run] = json.loads(made.run("automation-consumer", "runs", "-c", config, "-o", "json"))
    assert (run["action"], run["status"]) == ("restart_it", "succeeded")
    assert run["params"] == {"target": "web7", "reason": "nginx is down"}
    assert run["data"] == {"target": "web7"}
