"""`dlq list`, `show` and `requeue`, as an operator types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer
from tests.unit.cli.terminal import Said, run_command

from automation_consumer.clock import SystemClock
from automation_consumer.model.message import Headers, Message
from automation_consumer.sources.kafka.dead_letters import Failure, dead_letter
from automation_consumer.sources.kafka.embedded import EmbeddedBroker

Command = Callable[..., Said]
BELL = "\x07\x1b[2J"
CONFIG = """\
version: 1
kafka:
  bootstrap.servers: ADDRESS
  topics: [incidents]
  dead_letter_topic: incidents.dlq
  fetch.wait.max.ms: 5
"""


@pytest.fixture
def broker():
    with EmbeddedBroker({"incidents": 2, "incidents.dlq": 2}) as broker:
        yield broker


@pytest.fixture
def config(tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("ADDRESS", broker.address))
    monkeypatch.setenv("AUTOMATION_CONFIG", str(file))
    return file


@pytest.fixture
def command(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return partial(run_command, monkeypatch, capsys, "dlq")


@pytest.fixture
def bury(broker: EmbeddedBroker) -> Callable[..., None]:
    """Letters on partition 0: the first is 0:0, the next 0:1, …"""
    now = SystemClock().now()

    def bury(
        value: bytes | None = b"{", reason: str = "not-json", headers: Headers = (), detail: str = "line 1"
    ) -> None:
        came = Message("incidents", 1, 42, value, b"INC-1", headers, 1_769_860_800_000)
        record = dead_letter(came, Failure(reason, detail, now, "automation", "v7"))
        producer = Producer({"bootstrap.servers": broker.address})
        producer.produce("incidents.dlq", record.value, record.key, 0, headers=list(record.headers))
        assert producer.flush(20) == 0

    return bury


def test_the_listing_and_its_filters(command: Command, bury) -> None:
    """Red when the oldest are shown, or a filter is not heeded."""
    for reason in ("empty", "not-json", "not-json"):
        bury(reason=reason)
    ids = lambda *words: [row["id"] for row in command("list", "-o", "json", *words).json]  # noqa: E731
    assert ids() == ["0:2", "0:1", "0:0"]
    assert ids("--limit", "2") == ["0:2", "0:1"]
    assert ids("--reason", "empty") == ["0:0"]
    assert ids("--topic", "elsewhere") == []
    assert ids("--since", "1h") == ["0:2", "0:1", "0:0"]
    assert ids("--until", "1h") == ids("--since", "2999-01-01") == []
    row = command("list", "-o", "json", "--limit", "1").json[0]
    assert (row["topic"], row["partition"], row["offset"]) == ("incidents", 1, 42)
    assert (row["group"], row["config_version"], row["key"], row["bytes"]) == ("automation", "v7", "INC-1", 1)
    assert (row["timestamp"], row["requeued_at"]) == ("2026-01-31T12:00:00.000Z", None)
    text = command("list", "--limit", "1")
    assert "incidents[1]@42" in text.out
    assert "1 of 3 letters; 3 not requeued; 2 not-json, 1 empty" in text.err


def test_an_empty_topic_is_no_error(command: Command) -> None:
    said = command("list")
    assert (said.code, said.out, said.err) == (0, "", "no dead letters\n")
    assert command("list", "-o", "json").json == []


def test_one_letter_in_full(command: Command, bury) -> None:
    bury('{"é": '.encode(), headers=(("trace", b"abc"), ("raw", b"\xff")))
    found = command("show", "0:0", "-o", "json").json
    assert found["value"] == '{"é": '
    assert found["headers"] == [{"name": "trace", "value": "abc"}, {"name": "raw", "value": "hex:ff"}]
    text = command("show", "0:0").out
    for fact in (
        "not-json",
        "line 1",
        "incidents[1]@42",
        "automation",
        "v7",
        "trace: abc",
        '{"é": ',
        "INC-1",
    ):
        assert fact in text


def test_what_is_no_text_is_shown_as_hex(command: Command, bury) -> None:
    bury(b"\xff\x00\x01\x02raw")
    assert "ff000102 726177" in command("show", "0:0").out
    assert command("show", "0:0", "-o", "json").json["value"] == "hex:ff000102726177"


def test_the_value_alone_goes_into_a_file_byte_for_byte(
    command: Command, bury, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bury(b"\xff\r\n\x00")
    with (tmp_path / "value").open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        command("show", "0:0", "--value")
    assert (tmp_path / "value").read_bytes() == b"\xff\r\n\x00"


def test_a_terminal_does_not_obey_a_message(command: Command, bury) -> None:
    """Red when something is printed as it came."""
    bury(BELL.encode(), BELL, ((BELL, BELL.encode()),), BELL)
    for words in (["list"], ["show", "0:0"], ["requeue", "0:0"]):
        said = command(*words)
        assert said.code == 0
        assert "\x1b" not in said.out + said.err
        assert "\x07" not in said.out + said.err


def test_requeue_says_what_it_did_and_does_it_once(command: Command, bury) -> None:
    bury(reason="empty")
    bury()
    dry = command("requeue", "--all", "--dry-run")
    assert (dry.code, dry.out.count("requeued")) == (0, 2)
    assert dry.out.count("  would be requeued  ") == 2
    assert "nothing was sent: 2 would be requeued, 0 skipped, 0 refused" in dry.err
    done = command("requeue", "0:1", "-o", "json").json
    assert (done["requeued"], done["skipped"], done["refused"], done["dry_run"]) == (1, 0, 0, False)
    assert done["letters"] == [{"id": "0:1", "result": "requeued", "message": "incidents[1]@42", "why": None}]
    again = command("requeue", "0:1")
    assert again.code == 0
    assert "skipped" in again.out
    assert command("requeue", "--all", "-o", "json").json["letters"][0]["id"] == "0:0"
    assert "0 requeued, 2 skipped, 0 refused" in command("requeue", "--all").err
    assert command("requeue", "--all", "--again", "-o", "json").json["requeued"] == 2
    rows = command("list", "-o", "json").json
    assert [row["id"] for row in rows] == ["0:1", "0:0"]
    assert all(row["requeued_at"] for row in rows)
    assert "2 letters; 0 not requeued" in command("list").err
    assert command("show", "0:0", "-o", "json").json["requeued_at"]


def test_requeue_of_what_is_not_there_ends_with_1(command: Command, bury) -> None:
    """Red when a script could take a refusal for success."""
    bury()
    said = command("requeue", "0:0", "0:99")
    assert said.code == 1
    assert "0:99  refused" in said.out
    assert "1 requeued, 0 skipped, 1 refused" in said.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["requeue"], "--all"),
        (["requeue", "--dry-run"], "--all"),
        (["requeue", "first"], "0:42"),
        (["requeue", "--all", "0:1"], "leave --all out"),
        (["show", "0:0", "--value", "-o", "json"], "-o json has the value"),
        (["show", "1-2"], "0:42"),
        (["show", "0:77"], "dlq list"),
        (["show", "9:0"], "dlq list"),
        (["list", "--since", "yesterday"], "2026-01-31T08:00:00Z"),
    ],
)
def test_what_cannot_be_meant_says_what_can(command: Command, words: list[str], hint: str) -> None:
    said = command(*words)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err


def test_a_config_with_mistakes_is_good_enough_and_one_without_the_topic_says_so(
    command: Command, config: Path, bury
) -> None:
    """Red when dead letters can only be seen while all is well."""
    bury()
    good = config.read_text()
    config.write_text(good + "incident_conditions: [{name: a, mtach: {}}]\n")
    assert len(command("list", "-o", "json").json) == 1
    config.write_text(good.replace("  dead_letter_topic: incidents.dlq\n", ""))
    assert "names no kafka.dead_letter_topic" in command("list").err
    config.write_text("version: 1\n")
    assert "kafka" in command("list").err
    config.unlink()
    assert "-c" in command("list").err


def test_no_broker_says_so(command: Command, config: Path, broker: EmbeddedBroker) -> None:
    config.write_text(config.read_text().replace("incidents.dlq", "nowhere.dlq"))
    said = command("list", "-o", "json")
    assert (said.code, said.out) == (2, "")
    assert "nowhere.dlq" in said.err


def test_json_of_all_is_json(command: Command, bury) -> None:
    bury(b"\xff", "a\ud800", ((("h"), None),), "\x00")
    for words in (["list"], ["show", "0:0"], ["requeue", "0:0"]):
        assert json.loads(command(*words, "-o", "json").out)


def test_a_topic_that_is_not_there_is_told_by_its_own_key(command: Command, config: Path) -> None:
    """Red when the message speaks of kafka.topics."""
    config.write_text(config.read_text().replace("incidents.dlq", "nowhere"))
    said = command("list")
    assert said.code == 2
    assert "correct kafka.dead_letter_topic" in said.err
