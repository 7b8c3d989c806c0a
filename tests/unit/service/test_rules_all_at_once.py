"""A person sees every mistake of a file at once, also several in one condition or action, and none of them twice."""

from __future__ import annotations

from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check

CONFIG = """\
version: 1
kafka:
  topics: [incidents]
  format: bigpandas
actions:
  - name: say
    type: log
    mesage: typo
    message: "{{ host "
incident_conditions:
  - name: a
    match:
      statu: critical
      title: {regex: "("}
    alert_actions: [sayy]
"""


def test_mistakes_of_every_kind_in_one_run(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    checked = check([file], Registry.installed(), {})
    assert checked.ruleset is None
    errors = [(each.line, each.code) for each in checked.problems if each.severity == "error"]
    assert errors == [
        (4, "invalid-value"),
        (8, "unknown-key"),
        (9, "template-syntax"),
        (13, "unknown-key"),
        (14, "bad-operand"),
        (15, "unknown-action"),
    ]


def test_what_the_kafka_client_would_refuse_is_a_problem_of_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("version: 1\nkafka:\n  topics: [incidents]\n  enable.auto.commit: true\n")
    (problem,) = check([file], Registry.installed(), {}).problems
    assert "enable.auto.commit" in problem.message
    assert problem.line == 4
