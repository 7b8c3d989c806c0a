"""Callbacks of the client inside one poll. In a process of its own, as a mistake here ends it by an abort."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from automation_consumer.sources.kafka.embedded import EmbeddedBroker
from automation_consumer.sources.kafka.source import KafkaSource
from automation_consumer.sources.kafka.start import StartAt

landed = []
with EmbeddedBroker({"t": 1}) as broker:
    def assigned(partitions):
        source.commit(dict.fromkeys(partitions, 0))  # its answer comes within the poll that this is called in

    settings = {**broker.client_settings, "group.id": "g"}
    source = KafkaSource(
        settings, ["t"], StartAt.parse("earliest"), on_assign=assigned, on_committed=landed.append
    )
    source.open()
    for _ in range(100):
        source.poll(1, 0.15)
        if landed:
            break
    source.close()
print(landed)
"""


def test_an_assignment_may_be_followed_by_another_callback_within_one_poll():
    """Red when the metadata are asked of the consumer itself, inside its callback: the process aborts."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[{('t', 0): 0}]"), done.stderr[-500:]
