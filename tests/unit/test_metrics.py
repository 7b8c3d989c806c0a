"""Metrics: names, labels, and what the exposition says."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from automation_consumer.metrics import RUN_BUCKETS_S, MessageResult, Metrics

BOUNDED_LABELS = {
    "action_type", "status", "state", "check", "reason", "result", "topic", "partition", "version", "le", "what",
}  # fmt: skip


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="1.2.3")


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_every_name_has_the_prefix_and_a_help_text_and_only_bounded_labels(metrics):
    metrics.runs.labels("log", "succeeded").inc()
    for family in metrics.registry.collect():
        assert family.name.startswith(("automation_", "process_"))
        assert family.documentation
        for sample in family.samples:
            assert set(sample.labels) <= BOUNDED_LABELS


def test_no_created_series(metrics):
    metrics.runs.labels("log", "succeeded").inc()
    metrics.run_seconds.labels("log").observe(2)
    assert "_created" not in text(metrics)


def test_message_results_start_at_zero_and_count_by_batch(metrics):
    for result in MessageResult:
        assert f'automation_messages_total{{result="{result.value}"}} 0.0' in text(metrics)
    metrics.messages.labels(MessageResult.UNMATCHED).inc(500)
    assert 'automation_messages_total{result="unmatched"} 500.0' in text(metrics)


def test_run_seconds_has_buckets_up_to_an_hour(metrics):
    metrics.run_seconds.labels("screwdriver").observe(1000)
    assert (RUN_BUCKETS_S[0], RUN_BUCKETS_S[-1]) == (0.05, 3600)
    assert 'automation_run_seconds_bucket{action_type="screwdriver",le="900.0"} 0.0' in text(metrics)
    assert 'automation_run_seconds_bucket{action_type="screwdriver",le="3600.0"} 1.0' in text(metrics)


def test_the_version_is_there(metrics):
    assert 'automation_build_info{version="1.2.3"} 1.0' in text(metrics)


def test_two_processes_in_one_test_do_not_share(metrics):
    other = Metrics(CollectorRegistry())
    metrics.commit_failures.inc()
    assert "automation_commit_failures_total 0.0" in text(other)
