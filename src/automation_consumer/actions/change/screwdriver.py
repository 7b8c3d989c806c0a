"""The action type `screwdriver`: one job of a Screwdriver pipeline."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from typing import Any, Self

from pydantic import Field, model_validator

from automation_consumer.actions.change.screwdriver_connection import client_of, connection_of
from automation_consumer.actions.change.screwdriver_parameters import Scalar, job_parameters
from automation_consumer.errors import ActionError
from automation_consumer.integrations.screwdriver import Event
from automation_consumer.integrations.screwdriver_status import Build, deciding_build
from automation_consumer.model.incident import ALERT_FIELDS, INCIDENT_FIELDS
from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.plugin.action import Effect, RemoteJob
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Duration, Params, SecretName

NO_BUILDS_GRACE_S = 60.0
MAX_META_CHARS = 4096
_META_OF_SCREWDRIVER = frozenset({"build", "commit", "event", "ext", "parameters", "pr", "sd"})


class ScrewdriverParams(Params):
    """What a Screwdriver job needs."""

    pipeline_id: int = Field(description="The pipeline.", ge=1)
    job_name: str = Field(description="The job. Only this job runs, nothing downstream of it.", min_length=1)
    auth_secret: SecretName | None = Field(
        None, description="Secret with the API token; by default the connection's."
    )
    alert_parameters: list[str] = Field(
        default_factory=list, description="Fields of the alert that become parameters of the job."
    )
    alert_tag_parameters: list[str] = Field(
        default_factory=list, description="Tags of the alert that become parameters of the job."
    )
    extra_parameters: dict[str, Scalar] = Field(
        default_factory=dict, description="Further parameters of the job."
    )
    polling_interval: Duration = Field(30.0, description="Seconds between two looks at the job.")
    polling_timeout: Duration = Field(
        600.0, description="A job that runs longer is stopped, and the run fails."
    )

    @model_validator(mode="after")
    def _names_are_good(self) -> Self:
        fields = dict.fromkeys((*ALERT_FIELDS, *INCIDENT_FIELDS))
        for name in self.alert_parameters:
            if name not in fields:
                near = difflib.get_close_matches(name, fields, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"fields are {', '.join(fields)}"
                raise ValueError(
                    f"alert_parameters: {name!r} is not a field ({hint}; tags go to alert_tag_parameters)"
                )
        count = Counter([*self.alert_parameters, *self.alert_tag_parameters, *self.extra_parameters])
        twice = sorted(name for name, times in count.items() if times > 1)
        if twice:
            raise ValueError(f"parameters named twice: {', '.join(twice)}")
        return self


class Screwdriver(RemoteJob[ScrewdriverParams]):
    """Runs one job of a Screwdriver pipeline and waits for its end.

    The job gets the named fields and tags of the alert, and the extra parameters, as texts. In an incident
    action they are the incident's. Succeeds when the job's build is SUCCESS or UNSTABLE. The event that it
    starts carries the run's key, so that it is found again after a crash and never started twice.

    Example:
        name: rerun_coordinator
        type: screwdriver
        pipeline_id: 1089736
        job_name: oozie_remediation
        auth_secret: sd-token
        alert_parameters: [id]
        alert_tag_parameters: [host, oozie_pipeline]
        extra_parameters: {source: automation}
        polling_interval: 30
        polling_timeout: 900
    """

    type = "screwdriver"
    Params = ScrewdriverParams
    effect = Effect.CHANGE
    connection = "screwdriver"

    def submit(self, ctx: ActionContext, params: ScrewdriverParams) -> Handle:
        parameters = _parameters(ctx, params)
        event = client_of(ctx, params.auth_secret).create_event(
            params.pipeline_id, params.job_name, parameters, key=ctx.run_key, cause=_cause(ctx)
        )
        return _handle(ctx, params, event)

    def find(self, ctx: ActionContext, params: ScrewdriverParams) -> Handle | None:
        client = client_of(ctx, params.auth_secret)
        event = client.find_event(params.pipeline_id, ctx.run_key)
        if event is None:
            return None
        return _handle(ctx, params, client.accept(event, params.job_name, _parameters(ctx, params)))

    def poll(self, ctx: ActionContext, handle: Handle, params: ScrewdriverParams) -> Outcome | None:
        builds = client_of(ctx, params.auth_secret).builds(int(handle.id))
        build = deciding_build(builds)
        if build is not None:
            return _outcome(handle, build)
        if not builds and ctx.clock.now() - handle.data["since"] > NO_BUILDS_GRACE_S:
            return Outcome.failure(
                f"no job was started: event {handle.id} has no builds; is job {params.job_name!r} enabled?",
                url=handle.url,
                data={"event_id": int(handle.id)},
            )
        return None

    def cancel(self, ctx: ActionContext, handle: Handle, params: ScrewdriverParams) -> None:
        client_of(ctx, params.auth_secret).stop_event(int(handle.id))

    def preview(self, ctx: ActionContext, params: ScrewdriverParams) -> str:
        given = ", ".join(f"{name}={value}" for name, value in _parameters(ctx, params).items())
        return f"would start job {params.job_name} of pipeline {params.pipeline_id}" + (
            f" with {given}" if given else ""
        )

    def check(self, ctx: ActionContext, params: ScrewdriverParams) -> list[str]:
        try:
            names = client_of(ctx, params.auth_secret).job_names(params.pipeline_id)
        except ActionError as error:
            return [str(error)]
        if params.job_name in names or params.job_name.startswith("stage@"):
            return []
        near = difflib.get_close_matches(params.job_name, names, 1)
        return [
            f"pipeline {params.pipeline_id} has no job {params.job_name!r}"
            + (f" (did you mean {near[0]!r}?)" if near else "")
        ]

    def poll_interval_s(self, params: ScrewdriverParams) -> float:
        return params.polling_interval

    def job_timeout_s(self, params: ScrewdriverParams) -> float | None:
        return params.polling_timeout

    def lookup_settle_s(self, ctx: ActionContext, params: ScrewdriverParams) -> float:
        return connection_of(ctx).lookup_settle


def _parameters(ctx: ActionContext, params: ScrewdriverParams) -> dict[str, str]:
    return job_parameters(ctx, params.alert_parameters, params.alert_tag_parameters, params.extra_parameters)


def _cause(ctx: ActionContext) -> str:
    about = f"incident {ctx.incident.id}" + (f", alert {ctx.alert.id}" if ctx.alert else "")
    return f"{ctx.action}: {about}" + (f": {ctx.incident.title}" if ctx.incident.title else "")


def _handle(ctx: ActionContext, params: ScrewdriverParams, event: Event) -> Handle:
    url = client_of(ctx, params.auth_secret).event_url(event.pipeline_id, event.id)
    return Handle(str(event.id), url, {"since": ctx.clock.now()})


def _outcome(handle: Handle, build: Build) -> Outcome:
    data: dict[str, Any] = {"event_id": int(handle.id), "build_id": build.id, "status": build.status}
    results = {name: value for name, value in build.meta.items() if name not in _META_OF_SCREWDRIVER}
    if results and len(json.dumps(results)) <= MAX_META_CHARS:
        data["meta"] = results
    return Outcome(build.succeeded, build.summary(), url=handle.url, data=data)
