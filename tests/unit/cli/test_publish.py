"""`publish` to a broker in the process, also when it breaks off in the middle."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.unit.cli.terminal import run_command

from automation_consumer.sources.kafka.embedded import EmbeddedBroker

CONFIG = """\
version: 1
kafka: {bootstrap.servers: ADDRESS, topics: [incidents], message.max.bytes: 2000}
"""


@pytest.fixture
def broker():
    with EmbeddedBroker({"incidents": 1}) as broker:
        yield broker


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, broker):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("ADDRESS", broker.address))
    monkeypatch.setenv("AUTOMATION_CONFIG", str(file))
    return partial(run_command, monkeypatch, capsys, "publish")


def on_the_topic(broker: EmbeddedBroker, count: int) -> list[bytes]:
    reader = Consumer({**broker.client_settings, "group.id": "reader", "enable.partition.eof": True})
    try:
        reader.assign([TopicPartition("incidents", 0, 0)])
        found = []
        while (record := reader.poll(20)) is not None and record.error() is None:
            found.append(record.value())
        assert len(found) == count
        return found
    finally:
        reader.close()


def written(folder: Path, *values: str) -> Path:
    file = folder / "incidents.jsonl"
    file.write_text("\n".join(values) + "\n")
    return file


def test_all_of_the_files_is_sent(command, broker, tmp_path):
    (tmp_path / "one.json").write_bytes(b"{broken")
    said = command(tmp_path / "one.json", written(tmp_path, '{"id": 1}', "", '{"id": 2}'), "-o", "json")
    assert said.json == {"topic": "incidents", "sent": 3}
    assert on_the_topic(broker, 3) == [b"{broken", b'{"id": 1}', b'{"id": 2}']


def test_what_breaks_off_says_where_and_how_to_go_on(command, broker, tmp_path):
    """Red when the place or the number is that of another message."""
    file = written(tmp_path, '{"id": 1}', "", "x" * 5000, '{"id": 3}')
    said = command(file)
    assert (said.code, said.out) == (2, "")
    assert f"{file}:3, message 2 of 3, was not sent" in said.err
    assert "the 1 before it are on the topic" in said.err
    assert "--skip 1" in said.err
    assert on_the_topic(broker, 1) == [b'{"id": 1}']
    assert "message 2 of 3, was not sent" in (again := command(file, "--skip", "1")).err
    assert "--skip 1" in again.err
    file.write_text(file.read_text().replace("x" * 5000, '{"id": 2}'))
    assert command(file, "--skip", "1", "-o", "json").json["sent"] == 2
    assert on_the_topic(broker, 3) == [b'{"id": 1}', b'{"id": 2}', b'{"id": 3}']
    assert command(file, "--skip", "9", "-o", "json").json["sent"] == 0
