"""What a configuration makes of one message, without a journal. A secret's value is never shown, not even an alert's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from automation_consumer.clock import SystemClock
from automation_consumer.conditions.explain import explain
from automation_consumer.config.secrets import learn_all
from automation_consumer.errors import TemplateError, UsageError
from automation_consumer.model.incident import Alert, Incident
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase
from automation_consumer.pipeline.decode import Poison, decode
from automation_consumer.pipeline.gate import Gate
from automation_consumer.pipeline.plan import History, Plan
from automation_consumer.pipeline.render import MASKED, render
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.safety.question import Question
from automation_consumer.service.secrets import secret_store
from automation_consumer.sources.formats import build_format

_FOREIGN: Final = frozenset({"tags", "parameters", "actual", "expected"})
"""Below these keys the keys are an incident's or an action's."""


def explain_message(ruleset: Ruleset, value: bytes) -> list[dict[str, Any]]:
    """One document per incident of the message. UsageError when the message is poison, with its reason.

    What the incident says is masked as it would be in the journal: an alert may quote a secret of ours. Blocks.
    """
    kafka = ruleset.config.settings.kafka
    if kafka is None:
        raise UsageError("the configuration has no `kafka:` section", hint="it says the format of a message")
    secrets = secret_store(ruleset.config)
    learn_all(ruleset.config, ruleset.registry, secrets)
    mask = secrets.masker.mask
    message = Message(kafka.topics[0], 0, 0, value)
    incidents = decode(build_format(kafka.format, kafka.max_message_bytes), message)
    if isinstance(incidents, Poison):
        raise UsageError(f"the message is poison: {incidents.reason}: {mask(incidents.detail)}")
    return [_masked(each, mask) for each in asyncio.run(_explain(ruleset, message, incidents))]


def _masked(value: Any, mask: Callable[[str], str], *, foreign: bool = False) -> Any:
    """The same without secrets: in texts, in numbers that are one, and in keys that are not ours (`foreign`)."""
    if isinstance(value, dict):
        return {
            mask(key) if foreign else key: _masked(item, mask, foreign=foreign or key in _FOREIGN)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(item, mask, foreign=foreign) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    shown = mask(text)
    return value if shown == text else shown


async def _explain(
    ruleset: Ruleset, message: Message, incidents: tuple[Incident, ...]
) -> list[dict[str, Any]]:
    now = SystemClock().now()
    documents = []
    for incident in incidents:
        matches = ruleset.conditions.match(incident, now)
        documents.append(
            {
                "incident": incident.as_dict(),
                "conditions": [report.as_dict() for report in explain(ruleset.conditions, incident, now)],
                "runs": [
                    await _run(plan, now) for match in matches for plan in _plans(ruleset, message, match)
                ],
            }
        )
    return documents


def _plans(ruleset: Ruleset, message: Message, match: Match) -> Iterator[Plan]:
    """Every run that the condition may come to, in order; `on_success` and `on_failure` exclude each other."""
    condition = ruleset.condition(match.condition)

    def plan(phase: Phase, name: str, number: int, alert: Alert | None) -> Plan:
        return Plan(
            message=message,
            ruleset=ruleset,
            incident=match.incident,
            alert=alert,
            alerts=match.alerts,
            condition=match.condition,
            phase=phase,
            prepared=ruleset.action(name),
            position=str(number),
            history=History(),
        )

    once = (
        (Phase.INCIDENT, condition.incident_actions),
        (Phase.ON_SUCCESS, condition.on_success),
        (Phase.ON_FAILURE, condition.on_failure),
    )
    yield from (plan(Phase.CHECK, name, number, None) for number, name in enumerate(condition.checks))
    for alert in match.alerts:
        yield from (plan(Phase.ALERT, name, n, alert) for n, name in enumerate(condition.alert_actions))
    for phase, names in once:
        yield from (plan(phase, name, number, None) for number, name in enumerate(names))


async def _run(plan: Plan, now: float) -> dict[str, Any]:
    parameters, error, gate = None, None, []
    try:
        parameters = render(plan, lambda name: MASKED)
        gate = [msgspec.to_builtins(each) for each in await Gate().report(_question(plan, now))]
    except TemplateError as failure:
        error = str(failure)
    return {
        "condition": plan.condition,
        "phase": plan.phase,
        "action": plan.action,
        "type": plan.prepared.spec.type,
        "alert": plan.alert.id if plan.alert else None,
        "parameters": parameters,
        "gate": gate,
        "error": error,
    }


def _question(plan: Plan, now: float) -> Question:
    async def never(action: str, target: str) -> float | None:
        return None

    return plan.question(never, now)
