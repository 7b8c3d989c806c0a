"""The page of all metrics, from the members of `Metrics`."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from automation_consumer.cli.reference.codes import members
from automation_consumer.cli.reference.markdown import code, page, table
from automation_consumer.metrics import MessageResult, Metrics
from automation_consumer.model.run import OPEN, RunStatus
from automation_consumer.pipeline.gate import ORDER

_INTRO: Final = """
`run` serves these at `http://127.0.0.1:8080/metrics` (`service.host`, `service.port`), in the text format of
Prometheus or of OpenMetrics, beside the usual `process_*` figures. Labels have few values: never an incident, a host
or an offset. What to alert on stands in [operations](operations.md#what-to-watch).
"""


def metrics() -> str:
    """The page."""
    listed = sorted(described(), key=lambda each: each[0])
    states = sorted(OPEN)
    ended = [status for status in RunStatus if status not in OPEN]
    values = [
        ("result", "; ".join(f"`{name}`: {said}" for name, said in members(MessageResult))),
        ("reason", "the [codes of poison](codes.md#why-a-message-is-poison)"),
        ("status", ", ".join(map(code, ended))),
        ("state", ", ".join(map(code, states))),
        ("check", ", ".join(map(code, [*(each.name for each in ORDER), "unresolved", "withdrawn"]))),
        ("action_type", "the [action types](actions.md) that have run"),
        ("topic, partition", "the partitions that this process reads"),
    ]
    return page(
        "Metrics",
        _INTRO,
        table(
            ("metric", "kind", "labels", "meaning"),
            ((code(name), kind, ", ".join(map(code, labels)), text) for name, kind, labels, text in listed),
        ),
        "## Values of the labels",
        table(("label", "values"), values),
    )


def described() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Every metric as (name as Prometheus shows it, kind, labels, help)."""
    found = []
    for member in vars(Metrics(CollectorRegistry())).values():
        if isinstance(member, MetricWrapperBase):
            family: Any = next(iter(member.describe()))
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            # The library has no other way to ask for the labels' names.
            labels: tuple[str, ...] = tuple(member._labelnames)  # noqa: SLF001
            if family.type == "info":
                labels = ("version",)
            found.append((family.name + suffix, family.type, labels, family.documentation))
    return found
