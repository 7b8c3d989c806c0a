"""Conditions and incidents for tests, from plain data."""

from __future__ import annotations

from automation_consumer.conditions.compiler import compile_conditions
from automation_consumer.conditions.condition_set import ConditionSet
from automation_consumer.config.settings import Condition, ConditionSpec, Config, Place, TopLevel
from automation_consumer.model.incident import Alert, Incident, Lazy


def make_config(*conditions: dict) -> Config:
    """A configuration of conditions; condition n stands in line 10 * (n + 1)."""
    specs = tuple(
        ConditionSpec(Condition.model_validate({"name": f"c{n}", **each}), Place("team.yaml", 10 * (n + 1)))
        for n, each in enumerate(conditions)
    )
    return Config("v1", TopLevel(version=1), {}, specs)


def make_set(*conditions: dict) -> ConditionSet:
    compiled, problems = compile_conditions(make_config(*conditions))
    assert compiled is not None, problems
    return compiled


def make_incident(*, tags: dict | None = None, alerts: tuple[Alert, ...] = (), **fields) -> Incident:
    return Incident(
        **{
            "id": "i1",
            "format": "test",
            "load_alerts": Lazy(lambda: alerts),
            "load_tags": Lazy(lambda: tags or {}),
            "alert_count": len(alerts),
            **fields,
        }
    )


def holds(clause: object, value: object, *, now: float = 0.0) -> bool:
    """Whether a clause holds on a tag of that value; None: the tag is absent."""
    tags = {} if value is None else {"t": value}
    return bool(make_set({"match": {"tags.t": clause}}).match(make_incident(tags=tags), now))
