"""A typed client of the Screwdriver CD API, version 4: start one job, find it by key, look at it, stop it.

How an event is marked: `creator.name` is the key, because the API can search events by creator (but not by
meta or cause), and `meta.ext.run_key` repeats it. The cause says `[skip further]`, so that exactly the named
job runs and nothing downstream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automation_consumer.clock import Clock, SystemClock
from automation_consumer.errors import ActionError, EffectUnknownError, PermanentError, TemporaryError
from automation_consumer.integrations.http import HttpClient, HttpResponse
from automation_consumer.integrations.http_errors import one_line
from automation_consumer.integrations.screwdriver_auth import SessionTokens
from automation_consumer.integrations.screwdriver_status import Build, as_build

DEFAULT_TIMEOUT_S = 20.0
CREATE_TIMEOUT_S = 60.0  # the server syncs with the source repository before it answers
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_CAUSE_CHARS = 512
SKIP_FURTHER = "[skip further]"

_SKIP_VARIANTS = re.compile(r"\[\s*skip[\s_-]*\w*\s*\]", re.IGNORECASE)
_JOB_NAME = re.compile(r"(?:stage@[\w-]+(?::[\w-]+)?|[\w-]+)", re.ASCII)
_NO_BRACKETS = str.maketrans("[]", "()")


@dataclass(frozen=True, slots=True)
class Event:
    """One run of a pipeline. `parameters` is `meta.parameters` as the server keeps it; None when it did not say."""

    id: int
    pipeline_id: int
    parameters: Mapping[str, Any] | None = field(default=None)


class ScrewdriverClient:
    """The API of one server as one user or pipeline token. Thread-safe; every method blocks.

    `api_token` is asked at every exchange, so that a rotated secret is picked up. Every method raises the
    `ActionError` that the answer means.
    """

    def __init__(
        self,
        url: str,
        api_token: Callable[[], str],
        *,
        ui_url: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._api = url.rstrip("/").removesuffix("/v4") + "/v4"
        self._ui = (ui_url or url.rstrip("/").removesuffix("/v4")).rstrip("/")
        self._api_token = api_token
        self._create_timeout_s = max(timeout_s, CREATE_TIMEOUT_S)
        self._http = HttpClient(
            "screwdriver", read_timeout_s=timeout_s, max_body_bytes=MAX_BODY_BYTES, clock=clock
        )
        self._tokens = SessionTokens(self._exchange, clock)

    def close(self) -> None:
        self._http.close()

    def event_url(self, pipeline_id: int, event_id: int) -> str:
        """Where people see the event."""
        return f"{self._ui}/pipelines/{pipeline_id}/events/{event_id}"

    def create_event(
        self, pipeline_id: int, job_name: str, parameters: Mapping[str, str], *, key: str, cause: str
    ) -> Event:
        """Start one job, marked with `key`. `cause` may be anybody's text; `parameters` reach the job as they are.

        PermanentError when the server would silently drop parameters: the event is stopped again.
        """
        body = {
            "pipelineId": pipeline_id,
            "startFrom": checked_job_name(job_name),
            "causeMessage": cause_message(cause),
            "creator": {"name": key, "username": key},
            "meta": {"parameters": placed(job_name, parameters), "ext": {"run_key": key}},
        }
        jwt = self._tokens.get()
        answer = self._create(jwt, body)
        if answer.status == 401:
            # The server may pass on a 401 of the source repository, so only a look shows that nothing was started.
            jwt = self._tokens.get(refused=jwt)
            found = self.find_event(pipeline_id, key)
            if found is not None:
                return self.accept(found, job_name, parameters)
            answer = self._create(jwt, body)
        if answer.status == 404 and "No jobs to start" in answer.text:
            raise PermanentError(
                f"screwdriver: pipeline {pipeline_id} has no enabled job {job_name!r}",
                hint="check job_name, and whether the job is enabled",
            )
        event = _as_event(_checked(answer), pipeline_id, answer.what)
        return self.accept(event, job_name, parameters)

    def find_event(self, pipeline_id: int, key: str) -> Event | None:
        """The event that carries `key`; None when there is none. It may have no builds: then no job was started."""
        answer = self._call(
            "GET",
            f"/pipelines/{pipeline_id}/events",
            params={"creator": key, "page": 1, "count": 50, "sort": "descending"},
        )
        for row in _rows(answer, "events"):
            if _carries(row, key):
                return _as_event(row, pipeline_id, f"screwdriver: the search for {key}")
        return None

    def builds(self, event_id: int) -> list[Build]:
        """The event's builds. Right after the start the list can be empty or partial."""
        # The query is part of the path: nothing in it needs quoting, and this is called for every poll.
        answer = self._call("GET", f"/events/{event_id}/builds?fetchSteps=false&readOnly=true")
        return [build for build in map(as_build, _rows(answer, "builds")) if build is not None]

    def stop_event(self, event_id: int) -> None:
        """Abort what is still running of an event. An event that has ended, or is not there, is no error."""
        answer = self._send("PUT", f"/events/{event_id}/stop", repeatable=True)
        if answer.status != 404:
            _checked(answer)

    def job_names(self, pipeline_id: int) -> list[str]:
        """The names of the pipeline's jobs."""
        answer = self._call("GET", f"/pipelines/{pipeline_id}/jobs")
        return [row["name"] for row in _rows(answer, "jobs") if isinstance(row.get("name"), str)]

    def accept(self, event: Event, job_name: str, parameters: Mapping[str, str]) -> Event:
        """The event itself, if it kept its parameters. Else stop it and raise PermanentError that names them."""
        lost = [] if event.parameters is None else lost_parameters(event.parameters, job_name, parameters)
        if not lost:
            return event
        where = self.event_url(event.pipeline_id, event.id)
        try:
            self.stop_event(event.id)
            then = f"the job was stopped: {where}"
        except ActionError as error:
            then = f"the job could NOT be stopped ({error}); stop it by hand: {where}"
        raise PermanentError(
            f"screwdriver: pipeline {event.pipeline_id} dropped or changed the parameters {', '.join(lost)} "
            f"of job {job_name!r}; {then}",
            hint="declare them under `parameters` in the pipeline's screwdriver.yaml",
        )

    def _exchange(self) -> str:
        """A new JWT. The API token goes into a header: proxies log query strings."""
        answer = self._http.send("GET", f"{self._api}/auth/token", headers=_bearer(self._api_token()))
        if answer.status == 401:
            raise PermanentError(
                "screwdriver: the API token was refused", hint="check the secret that auth_secret names"
            )
        body = answer.check().json()
        jwt = body.get("token") if isinstance(body, dict) else None
        if not isinstance(jwt, str) or not jwt:
            raise PermanentError("screwdriver: GET /v4/auth/token answered without a token")
        return jwt

    def _create(self, jwt: str, body: Mapping[str, Any]) -> HttpResponse:
        return self._http.send(
            "POST",
            f"{self._api}/events",
            headers=_bearer(jwt),
            json=body,
            read_timeout_s=self._create_timeout_s,
        )

    def _call(self, method: str, path: str, **rest: Any) -> Any:
        return _checked(self._send(method, path, **rest))

    def _send(self, method: str, path: str, **rest: Any) -> HttpResponse:
        """One call; after a 401 once more, with a new JWT."""
        jwt = self._tokens.get()
        answer = self._http.send(method, self._api + path, headers=_bearer(jwt), **rest)
        if answer.status == 401:
            jwt = self._tokens.get(refused=jwt)
            answer = self._http.send(method, self._api + path, headers=_bearer(jwt), **rest)
        return answer


def cause_message(text: str) -> str:
    """Anybody's text as a cause: one line, without a marker of its own, then our `[skip further]`, within the limit.

    The server cuts at 512 characters, which would cut our marker off. Other brackets become parentheses, so
    that no rest of the text can be read as a marker.
    """
    room = MAX_CAUSE_CHARS - len(SKIP_FURTHER) - 1
    clean = _SKIP_VARIANTS.sub(" ", one_line(text, MAX_CAUSE_CHARS)).translate(_NO_BRACKETS)
    return f"{one_line(clean, room)} {SKIP_FURTHER}".lstrip()


def checked_job_name(name: str) -> str:
    """A name that starts one job; PermanentError for the forms that start a whole pipeline or another one."""
    if not _JOB_NAME.fullmatch(name):
        raise PermanentError(
            f"screwdriver: {one_line(name, 80)!r} is not the name of a job",
            hint="letters, digits, `_` and `-`, or stage@NAME",
        )
    return name


def placed(job_name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """`meta.parameters`: each at the job and at the pipeline, because the server drops those of the level that
    does not declare them. The job's own win.
    """
    at_pipeline = {name: value for name, value in parameters.items() if name != job_name}
    return {**at_pipeline, job_name: dict(parameters)} if parameters else {}


def lost_parameters(kept: Mapping[str, Any], job_name: str, sent: Mapping[str, str]) -> list[str]:
    """The names that are not in the server's `meta.parameters` with the value sent, at the job or the pipeline."""
    at_job = kept.get(job_name)
    levels = [at_job if isinstance(at_job, dict) else {}, kept]
    return [name for name, value in sent.items() if all(_value(level.get(name)) != value for level in levels)]


def _value(stored: Any) -> Any:
    value = stored.get("value") if isinstance(stored, dict) else stored
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _checked(answer: HttpResponse) -> Any:
    return answer.check().json()


def _rows(answer: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(answer, list):
        # Taking this for an empty list would start a job twice.
        raise TemporaryError(f"screwdriver: the answer is not a list of {what}")
    return [row for row in answer if isinstance(row, dict)]


def _carries(row: Mapping[str, Any], key: str) -> bool:
    """Whether the event is ours: the server's search matches parts of a name, too."""
    creator, meta = row.get("creator"), row.get("meta")
    ext = meta.get("ext") if isinstance(meta, dict) else None
    return (isinstance(creator, dict) and creator.get("name") == key) or (
        isinstance(ext, dict) and ext.get("run_key") == key
    )


def _as_event(row: Any, pipeline_id: int, what: str) -> Event:
    if not isinstance(row, dict) or not isinstance(row.get("id"), int):
        raise EffectUnknownError(f"{what} answered without an event id")
    meta = row.get("meta")
    parameters = meta.get("parameters", {}) if isinstance(meta, dict) else None
    return Event(row["id"], pipeline_id, parameters if isinstance(parameters, dict) else None)
