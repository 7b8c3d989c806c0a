"""An operator wants a run tried again: the work of that, from the journal."""

from __future__ import annotations

from automation_consumer.errors import UsageError
from automation_consumer.model.match import Match
from automation_consumer.model.message import Message
from automation_consumer.model.run import Run
from automation_consumer.model.switch import Request
from automation_consumer.pipeline.decode import Poison, decode
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.pipeline.work import NO_EPOCH, Retry, Taken, Work
from automation_consumer.sources.formats import Format


def retried(
    run: Run | None, message: Message | None, request: Request, ruleset: Ruleset, form: Format
) -> Work:
    """The work of trying a run again, under the rules of now. UsageError, with the reason, when that cannot be."""
    if run is None:
        raise UsageError(f"there is no run {request.run_id}")
    if not run.ended:
        raise UsageError(f"run {run.id} has not ended (it is {run.status})")
    if message is None:
        raise UsageError(
            f"the message of run {run.id} is no longer kept", hint="send the incident again instead"
        )
    if not ruleset.has_condition(run.condition):
        raise UsageError(f"the configuration no longer has condition {run.condition!r}")
    incidents = decode(form, message)
    found = () if isinstance(incidents, Poison) else incidents
    incident = next((each for each in found if each.id == run.incident_id), None)
    alerts = () if incident is None else incident.alerts
    if incident is None or (run.alert_id is not None and run.alert_id not in {each.id for each in alerts}):
        raise UsageError(f"incident {run.incident_id} cannot be read from the message any more")
    taken = Taken(message, NO_EPOCH, 1, recovered=True)
    return Work(taken, incident, (Match(run.condition, incident, alerts),), ruleset, Retry(run, request))
