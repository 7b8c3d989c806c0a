"""The shape of the configuration: what each key is, its type, its default. The JSON Schema and the docs come from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from automation_consumer.config.store_url import FORMS, understood, without_password
from automation_consumer.plugin.params import Duration, parse_duration

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=128)]


class Section(BaseModel):
    """Base of every part of the configuration: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Kafka(BaseModel):
    """Where incidents come from. Any other key is handed to librdkafka under its own name."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", populate_by_name=True)

    bootstrap_servers: str = Field(
        "localhost:9092", alias="bootstrap.servers", description="Addresses of the brokers, comma-separated."
    )
    group_id: str = Field(
        "automation-consumer", alias="group.id", description="The consumer group.", min_length=1
    )
    topics: list[str] = Field(description="Topics to read.", min_length=1)
    format: str | dict[str, Any] = Field(
        "bigpanda",
        description="How a message becomes an incident: a format's name, or a mapping of field paths.",
    )
    start_at: str = Field(
        "latest",
        description="Where a new group begins: latest, earliest, or an ISO 8601 time.",
    )
    dead_letter_topic: str | None = Field(
        None,
        description="Where messages go that can't become an incident. Without it they are logged and counted.",
    )
    outcome_topic: str | None = Field(None, description="Every decision and outcome as an event.")
    max_message_bytes: int = Field(5_000_000, description="A larger message is poison.", ge=1_000)

    @field_validator("start_at")
    @classmethod
    def _known_start(cls, value: str) -> str:
        if value not in ("latest", "earliest"):
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(
                    f"{value!r} is not latest, earliest or an ISO 8601 time such as 2026-01-31T08:00:00Z"
                ) from None
        return value

    def client_settings(self) -> dict[str, Any]:
        """The settings under librdkafka's own names."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": self.group_id,
            **(self.model_extra or {}),
        }


class Secrets(Section):
    """Where secrets are read from."""

    provider: Literal["env", "file"] = Field(
        "env", description="Environment variables, or files of a folder."
    )
    prefix: str = Field("AUTOMATION_SECRET_", description="env: what the variables' names begin with.")
    path: str | None = Field(None, description="file: the folder; a secret is a file of its name.")

    @model_validator(mode="after")
    def _has_path(self) -> Secrets:
        if self.provider == "file" and self.path is None:
            raise ValueError("provider 'file' needs 'path', the folder of the secrets")
        return self


class Limits(Section):
    """Bounds of one process."""

    max_in_flight_incidents: int = Field(
        1000, description="Incidents being handled; more pauses the partitions.", ge=1
    )
    max_parked_incidents: int = Field(
        10_000,
        description="Incidents that wait long for a retry and are left to the journal, so that their partitions go on.",
        ge=0,
    )
    max_concurrent_runs: int = Field(
        256,
        description="Runs acting at the same moment. A run that waits for a remote job or a retry holds no slot.",
        ge=1,
    )
    worker_threads: int = Field(32, description="Threads for blocking clients.", ge=1, le=512)
    poison_run_length: int = Field(
        100,
        description="So many poison messages one after the other stop the intake until somebody resumes it; 0: never.",
        ge=0,
    )
    poison_ratio: float = Field(
        0.5,
        description="This share of poison among the last `poison_window` messages stops the intake, too; 0: never.",
        ge=0,
        le=1,
    )
    poison_window: int = Field(
        1000, description="How many messages `poison_ratio` looks at; 0: it is not looked at.", ge=0
    )
    max_age: Duration | None = Field(
        None,
        description="Incidents that were last updated longer ago are recorded and not acted on; a condition's own max_age wins.",
        gt=0,
    )


class Service(Section):
    """The process itself."""

    host: str = Field("127.0.0.1", description="Address that /metrics and the health pages are served on.")
    port: int = Field(
        8080, description="Port of /metrics and the health pages; 0 takes a free one.", ge=0, le=65535
    )
    drain_timeout: Duration = Field(60.0, description="How long a stop waits for running actions.")
    stall_after: Duration = Field(
        10.0,
        description="The event loop or the polling thread stands still for this long: all stacks are logged.",
        gt=0,
    )
    reload: Literal["auto", "signal", "off"] = Field(
        "auto",
        description="When the configuration is read again: auto: on SIGHUP and when a file changes; signal: on SIGHUP; off: never.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )


class OnUnknown(StrEnum):
    """What to do when nobody can tell whether a run took effect."""

    ESCALATE = "escalate"  # as fail, and the condition's `escalation` runs: somebody has to look
    FAIL = "fail"  # the run counts as failed and is not tried again
    RERUN = "rerun"  # run it again; only for actions that do no harm twice


class OnResolved(StrEnum):
    """What becomes of an incident's runs when it is resolved meanwhile."""

    FINISH = "finish"  # they go on as if nothing had happened
    SKIP_WAITING = (
        "skip_waiting"  # what has not begun, or waits for a retry, does not run; what runs finishes
    )
    CANCEL = "cancel"  # that, and remote jobs that run are cancelled


class CommonOptions(Section):
    """What every action takes, whatever its type."""

    name: Name = Field(description="The action's name; unique across all files.")
    type: str = Field(description="The action type; `automation-consumer actions` lists them.")
    description: str = Field("", description="What it is for.")
    owner: str = Field("", description="Who to ask.")
    enabled: bool = Field(True, description="false: never run; recorded as skipped.")
    connection: Name | None = Field(
        None, description="The named connection; by default the one named after its system."
    )
    timeout: Duration | None = Field(None, description="The whole run, retries included, may take this long.")
    retry_count: int = Field(0, description="Further tries after a failure that may pass.", ge=0, le=100)
    retry_delay: Duration = Field(
        5.0, description="Wait before the first retry; doubles each time, with jitter."
    )
    when: str | None = Field(None, description="A template expression; the run is skipped unless it is true.")
    lock: str | None = Field(None, description="A template; runs with the same lock go one at a time.")
    cooldown: Duration | None = Field(
        None, description="Not again for the same host (or incident) within this time after it succeeded."
    )
    max_executions_per_hour: int | None = Field(
        None,
        description="More runs than this within an hour are denied, and count as failed.",
        ge=1,
    )
    on_unknown: OnUnknown = Field(
        OnUnknown.ESCALATE,
        description="What to do when nobody can tell whether it took effect.",
        strict=False,
    )
    continue_on_failure: bool = Field(
        False, description="true: the alert's next actions run even if this one failed."
    )


class Condition(Section):
    """Which incidents, and what to do for them."""

    name: Name = Field(description="The condition's name; unique across all files.")
    description: str = Field("", description="What it is for.")
    owner: str = Field("", description="Who to ask.")
    enabled: bool = Field(True, description="false: never matches.")
    match: dict[str, Any] = Field(default_factory=dict, description="Clauses on the incident; all must hold.")
    alerts: dict[str, Any] = Field(
        default_factory=dict,
        description="Clauses on an alert: which alerts are handled. At least one must match.",
    )
    parallel_alert_processing: bool = Field(True, description="false: strictly one alert after the other.")
    max_concurrent_alerts: int = Field(10, description="Alerts handled at the same time.", ge=1)
    fail_fast: bool = Field(
        False, description="After a failure start no further alerts; those running finish."
    )
    checks: list[str] = Field(
        default_factory=list,
        description="Actions run once before anything acts; a failed one stops the rest.",
    )
    alert_actions: list[str] = Field(default_factory=list, description="For each matching alert, in order.")
    incident_actions: list[str] = Field(default_factory=list, description="Once, after the alerts.")
    on_success: list[str] = Field(default_factory=list, description="When all alerts succeeded.")
    on_failure: list[str] = Field(
        default_factory=list, description="When an alert or an incident action failed."
    )
    escalation: list[str] = Field(
        default_factory=list,
        description="After all else, when nobody can tell whether a run took effect (`on_unknown: escalate`).",
    )
    on_resolved: OnResolved = Field(
        OnResolved.FINISH,
        description="What becomes of its runs when the incident is resolved while they wait or run.",
        strict=False,
    )
    max_age: Duration | None = Field(
        None,
        description="An older incident is recorded and not acted on. Default: limits.max_age.",
        gt=0,
    )
    continue_: bool = Field(
        False, alias="continue", description="true: later conditions may take the incident, too."
    )
    rerun: str = Field(
        "never",
        description="What has succeeded for (condition, alert, action) and comes again: never, on_change, always, after:<duration>.",
        pattern=r"^(never|on_change|always|after:\d+(\.\d+)?(ms|s|m|h|d))$",
    )

    @field_validator("rerun")
    @classmethod
    def _possible_wait(cls, value: str) -> str:
        if value.startswith("after:"):
            parse_duration(value.removeprefix("after:"))
        return value


class TopLevel(Section):
    """The whole configuration."""

    version: Literal[1] = Field(description="The version of this format.")
    kafka: Kafka | None = Field(None, description="Where incidents come from.")
    store: str = Field(
        "sqlite:///automation.db",
        description="The journal: sqlite:///PATH for one process, or postgresql://USER@HOST/DATABASE for several.",
    )
    store_retention: Duration = Field(
        30 * 86400.0, description="How long the journal keeps runs that have ended.", gt=0
    )
    secrets: Secrets = Field(Secrets(), description="Where secrets are read from.")
    limits: Limits = Field(Limits(), description="Bounds of one process.")
    service: Service = Field(Service(), description="The process itself.")
    connections: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Named endpoints, shared by actions."
    )
    vars: dict[str, Any] = Field(default_factory=dict, description="Values for templates: {{ vars.name }}.")
    actions: list[dict[str, Any]] = Field(
        default_factory=list, description="Actions, defined once and used by name."
    )
    incident_conditions: list[Condition] = Field(
        default_factory=list, description="Conditions, in order; the first match takes the incident."
    )

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if not understood(value):
            raise ValueError(f"{without_password(value)!r} is not understood: {FORMS}")
        return value


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: file, line and column, both counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action of the config: its common options and its own parameters, not rendered yet."""

    common: CommonOptions
    params: dict[str, Any]
    place: Place

    @property
    def name(self) -> str:
        return self.common.name

    @property
    def type(self) -> str:
        return self.common.type


@dataclass(frozen=True, slots=True)
class ConditionSpec:
    """One condition of the config and where it stands."""

    condition: Condition
    place: Place

    @property
    def name(self) -> str:
        return self.condition.name


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration. `version` is a digest of its text: runs keep the one that they started with."""

    version: str
    settings: TopLevel
    actions: dict[str, ActionSpec] = field(default_factory=dict)
    conditions: tuple[ConditionSpec, ...] = ()
    files: tuple[str, ...] = ()
