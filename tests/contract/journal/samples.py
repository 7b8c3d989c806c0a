"""Runs and messages to write."""

from __future__ import annotations

import msgspec

from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase, Run, RunStatus


def a_run(run_id: str = "r1", **changes) -> Run:
    run = Run(
        id=run_id,
        status=RunStatus.RUNNING,
        incident_id="INC-1",
        alert_id="a1",
        condition="oozie",
        phase=Phase.ALERT,
        action="rerun",
        action_type="screwdriver",
        subject="oozie/INC-1/a1/rerun",
        digest="d1",
        rule="config.yaml:10",
        config_version="v1",
        topic="incidents",
        partition=0,
        offset=7,
        created_at=100.0,
        params={"host": "web1", "n": [1, 2]},
        target="web1",
    )
    return msgspec.structs.replace(run, **changes)


def a_message(offset: int = 7, **changes) -> Message:
    message = Message(
        "incidents", 0, offset, b"\x00bytes\xff", b"key", (("h", b"v"), ("none", None)), timestamp_ms=5_000
    )
    return msgspec.structs.replace(message, **changes)
