"""A run that is to be: everything that is known before the gate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson

from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS, Alert, Incident
from automation_consumer.model.message import Message
from automation_consumer.model.run import Phase, Run, run_id
from automation_consumer.pipeline.ruleset import PreparedAction, Ruleset
from automation_consumer.safety.question import LastSuccess, Question
from automation_consumer.safety.stale import Stale

_ALERT_FIELDS = frozenset(ALERT_FIELDS)
_INCIDENT_FIELDS = frozenset(INCIDENT_FIELDS)


class History:
    """What the journal already has for an incident when its message arrives."""

    def __init__(self, runs: Sequence[Run] = ()) -> None:
        self._by_id = {run.id: run for run in runs}
        self._by_subject: dict[str, list[Run]] = {}
        for run in runs:
            self._by_subject.setdefault(run.subject, []).append(run)

    def same(self, run_id: str) -> Run | None:
        """The run of that id: this very message was handled before, at least in part."""
        return self._by_id.get(run_id)

    def left_open(self, message: Message) -> list[Run]:
        """Runs that an earlier handling of this very message left open."""
        place = (message.topic, message.partition, message.offset)
        return [
            run
            for run in self._by_id.values()
            if not run.ended and not run.request and (run.topic, run.partition, run.offset) == place
        ]

    def begun(self, message: Message, condition: str) -> bool:
        """Whether it was decided before, for this very message, that the condition acts: a restart does not ask again."""
        place = (message.topic, message.partition, message.offset)
        return any(
            (run.topic, run.partition, run.offset) == place
            and run.condition == condition
            and run.data.get("check") != Stale.name
            for run in self._by_id.values()
        )

    def earlier(self, subject: str, run_id: str) -> list[Run]:
        return [run for run in self._by_subject.get(subject, ()) if run.id != run_id]


class Progress:
    """What the runs of one handling learn from outside, and tell it."""

    def __init__(self, park: Callable[[], None] = lambda: None) -> None:
        self.resolved = False
        """The incident was resolved, and what has not begun is not wanted any more."""
        self.park = park
        """A run will wait for long; everything about its message is in the journal."""
        self.decided_at: dict[str, float] = {}
        """When each condition's first run was asked about: an incident that gets old while it is handled is finished."""


@dataclass(frozen=True)
class Plan:
    """One action for one alert (or for the incident), of one message under one ruleset."""

    message: Message
    ruleset: Ruleset
    incident: Incident
    alert: Alert | None
    alerts: tuple[Alert, ...]
    condition: str
    phase: Phase
    prepared: PreparedAction
    position: str  # which of the places that name it in its list: moving it about in the list changes nothing
    history: History
    dry_run: bool = False
    ancestors: tuple[str, ...] = ()  # the actions that run this one, outermost first
    held_locks: frozenset[str] = frozenset()  # what those hold
    request: str = ""  # the operator's request that this fulfils
    forced: bool = False  # an operator wants just this one again, whatever became of it before
    progress: Progress = field(default_factory=Progress)

    @property
    def action(self) -> str:
        return self.prepared.spec.name

    @cached_property
    def run_id(self) -> str:
        # A dry run has ids of its own, so that it never answers for a real one.
        return run_id(
            self.message,
            "dry-run" if self.dry_run else "",
            self.incident.id,
            self.condition,
            self.phase,
            self.alert.id if self.alert else "",
            self.position,
            self.action,
            *((self.request,) if self.request else ()),
        )

    @cached_property
    def subject(self) -> str:
        alert = self.alert.id if self.alert else ""
        return "\x1f".join((self.condition, self.incident.id, alert, self.phase, self.position, self.action))

    @property
    def target(self) -> str:
        return (self.alert.host if self.alert else None) or self.incident.id

    @cached_property
    def digest(self) -> str:
        """Of what an editor would call the alert's content: not of times, which move without anything new."""
        about = (self.alert,) if self.alert else self.alerts
        content = [
            [alert.id, alert.status, alert.active, alert.severity, alert.description, alert.tags]
            for alert in about
        ]
        whole = [self.incident.status, self.incident.severity, content]
        return hashlib.sha256(orjson.dumps(whole, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

    def scope(self, names: frozenset[str]) -> dict[str, Any]:
        """The values of these template names; one that is absent is left out."""
        return {name: value for name in names if (value := self._lookup(name)) is not None}

    def _lookup(self, name: str) -> Any:
        match name:
            case "alert":
                return self.alert.as_dict() if self.alert else None
            case "incident":
                return self.incident.as_dict()
            case "alerts":
                return [alert.as_dict() for alert in self.alerts]
            case "tags":
                return dict(self.alert.tags if self.alert else self.incident.tags)
            case "vars":
                return self.ruleset.config.settings.vars
            case "run":
                return {
                    "id": self.run_id,
                    "condition": self.condition,
                    "action": self.action,
                    "phase": self.phase,
                }
            case _:
                return self._bare(name)

    def _bare(self, name: str) -> Any:
        if name in self.prepared.declared:
            return self.prepared.declared[name]
        alert, incident = self.alert, self.incident
        if alert is not None:
            if name in _ALERT_FIELDS and (value := getattr(alert, name)) is not None:
                return value
            if name in alert.tags:
                return alert.tags[name]
        if name in _INCIDENT_FIELDS and (value := getattr(incident, name)) is not None:
            return value
        return incident.tags.get(name)

    def question(self, last_success: LastSuccess, now: float) -> Question:
        """What the gate is asked about it. TemplateError when its `when` does not parse."""
        return Question(
            options=self.prepared.spec.common,
            phase=self.phase,
            rerun=self.ruleset.condition(self.condition).rerun,
            digest=self.digest,
            target=self.target,
            earlier=() if self.forced else self.history.earlier(self.subject, self.run_id),
            when=self.prepared.when,
            scope=self.scope,
            last_success=last_success,
            now=now,
            resolved=self.progress.resolved,
            condition=self.condition,
            age_s=self._age_s(now),
            max_age_s=self._max_age_s,
        )

    @property
    def _max_age_s(self) -> float | None:
        own = self.ruleset.condition(self.condition).max_age
        return own if own is not None else self.ruleset.config.settings.limits.max_age

    def _age_s(self, now: float) -> float | None:
        """How old the incident was when its handling began; None when it began before a restart, or somebody asked for it."""
        if self.request or self.history.begun(self.message, self.condition):
            return None
        at = self.incident.updated_at or self.incident.started_at or self.message.timestamp_ms / 1000
        return self.progress.decided_at.setdefault(self.condition, now) - at if at else None

    def nested(self, prepared: PreparedAction, call: str, history: History) -> Plan:
        """The plan of an action that this one runs; `call` tells its calls apart."""
        return replace(
            self,
            prepared=prepared,
            forced=False,
            position=f"{self.position}/{self.action}#{call}",
            history=history,
            ancestors=(*self.ancestors, self.action),
        )

    def labels(self) -> Mapping[str, str]:
        """What every log line of this run carries."""
        labels = {
            "run": self.run_id,
            "incident": self.incident.id,
            "condition": self.condition,
            "action": self.action,
            "message": self.message.place,
        }
        if self.alert is not None:
            labels["alert"] = self.alert.id
        return labels
