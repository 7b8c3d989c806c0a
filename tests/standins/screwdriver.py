"""A stand-in Screwdriver API over real HTTP, with the real one's habits and with faults on request.

`python -m tests.standins.screwdriver --port 0 --job-seconds 10` prints its address. `POST /_control` takes
`{"fault": {"route": "create", "kind": "cut", "after": true, "times": 1}}`, `{"heal": true}` (no more faults),
`{"outcomes": {"JOB": "FAILURE"}}`, `{"expire": true}`, `{"mark": [1, 2]}` (watch for the next polls of these events;
`true`: of any that is there now); `GET /_control` tells the counts. `GET /_triggers` lists every event in the order in which they came. Their times
are the machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from tests.standins.http_server import HttpServer, Reply, Request

EVENT_KEYS = frozenset(
    [
        "pipelineId",
        "startFrom",
        "buildId",
        "causeMessage",
        "meta",
        "parentEventId",
        "groupEventId",
        "parentBuildId",
        "parentBuilds",
        "prNum",
        "sha",
        "configPipelineSha",
        "baseBranch",
        "creator",
    ]
)
API_TOKEN = "sd-api-token"
HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Fault:
    """What goes wrong on a route (`token create builds events stop jobs`), the next `times` times.

    kind: `late` (answers after `seconds`), `hang` (never answers), `cut` (closes the connection), `reset` (so that the
    caller sees a reset), `half` (a broken answer), or `status`. With `after`, the work was done before. With a `share`
    below 1 it strikes that share of the requests, by chance.
    """

    route: str
    kind: str = "status"
    status: int = 500
    times: int = 1
    seconds: float = 0.2
    after: bool = False
    share: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Pipeline:
    """Jobs with the parameters they declare, and those of the pipeline itself."""

    jobs: dict[str, dict[str, str]]
    parameters: dict[str, str] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)


@dataclass
class Event:
    row: dict[str, Any]
    job: str | None
    at: float
    came_at: float = field(default_factory=time.monotonic)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.creator = json.dumps(self.row["creator"])


class ScrewdriverStandin:
    """The server. Use it as a context manager; its state may be looked at and changed from the test's thread."""

    def __init__(
        self,
        *,
        port: int = 0,
        job_seconds: float = 0.0,
        builds_after_s: float = 0.0,
        token_seconds: float = 7200.0,
        rate_limit: int | None = None,
        pipelines: dict[int, Pipeline] | None = None,
        seed: int = 0,
    ) -> None:
        self.job_seconds = job_seconds
        self.builds_after_s = builds_after_s
        self.token_seconds = token_seconds
        self.rate_limit = rate_limit
        self.pipelines = pipelines or {1: Pipeline({"fix": {}, "other": {}})}
        self.outcomes: dict[str, str] = {}  # job -> final status
        self.extra_builds: list[dict[str, Any]] = []  # rows that every event has besides its own
        self.status_now: str | None = None  # every build, at this moment
        self.meta_results: dict[str, Any] = {}
        self.events: dict[int, Event] = {}
        self.triggers: Counter[str] = Counter()  # events by run key
        self.calls: Counter[str] = Counter()  # requests by route
        self.bodies: list[dict[str, Any]] = []
        self.queries: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        self.struck = 0  # how often a fault has struck
        self._marked: set[int] = set()  # events whose next poll is watched for
        self._marked_at = 0.0
        self.polled_after_s: float | None = None  # from the mark to the first poll of a marked event
        self.all_polled_after_s: float | None = None
        self._random = random.Random(seed)
        self._tokens: dict[str, float] = {}
        self._uses: Counter[str] = Counter()
        self._server = HttpServer(self._handle, port)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def fault(self, route: str, kind: str = "status", **rest: Any) -> None:
        self.faults.append(Fault(route, kind, **rest))

    def expire_tokens(self) -> None:
        """Every session token is refused from now on."""
        self._server.call(lambda: self._tokens.update(dict.fromkeys(self._tokens, 0.0)))

    # --- the road of a request -----------------------------------------------------------------------------------

    def _handle(self, request: Request) -> Reply:
        if request.path == "/_control":
            return self._control(request)
        if request.path == "/_triggers":
            return _json([_trigger(event) for event in self.events.values()])
        found = self._route(request)
        if found is None:
            return _error(404, "Not Found")
        route, work = found
        self.calls[route] += 1
        fault = next((each for each in self.faults if self._strikes(each, route)), None)
        if fault is None:
            return self._authorized(route, request, work)
        fault.times -= 1
        self.struck += 1
        done = self._authorized(route, request, work) if fault.after or fault.kind == "late" else Reply()
        return _spoilt(fault, done)

    def _strikes(self, fault: Fault, route: str) -> bool:
        if fault.route != route or fault.times <= 0:
            return False
        return fault.share >= 1.0 or self._random.random() < fault.share

    def _route(self, request: Request) -> tuple[str, Callable[[Request], Reply]] | None:
        path = request.path.removeprefix("/v4")
        if request.method == "POST" and path == "/events":
            return "create", self._create
        if request.method == "GET" and path == "/auth/token":
            return "token", self._token
        if request.method == "GET" and (m := re.fullmatch(r"/events/(\d+)/builds", path)):
            return "builds", lambda _: self._builds(int(m[1]))
        if request.method == "PUT" and (m := re.fullmatch(r"/events/(\d+)/stop", path)):
            return "stop", lambda _: self._stop(int(m[1]))
        if request.method == "GET" and (m := re.fullmatch(r"/pipelines/(\d+)/events", path)):
            return "events", lambda r: self._list(int(m[1]), r)
        if request.method == "GET" and (m := re.fullmatch(r"/pipelines/(\d+)/jobs", path)):
            return "jobs", lambda _: self._jobs(int(m[1]))
        return None

    def _authorized(self, route: str, request: Request, work: Callable[[Request], Reply]) -> Reply:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if route == "token":
            return work(request) if token == API_TOKEN else _error(401, "Invalid token")
        if token not in self._tokens:
            return _error(401, "Invalid token" if token else "Missing authentication")
        if self._tokens[token] <= time.time():
            return _error(401, "Expired token")
        self._uses[token] += 1
        if self.rate_limit is not None and self._uses[token] > self.rate_limit:
            return _error(429, "Rate limit exceeded")
        return work(request)

    # --- the routes ----------------------------------------------------------------------------------------------

    def _token(self, request: Request) -> Reply:
        now = time.time()
        claims = {
            "username": "bot",
            "scope": ["user"],
            "iat": int(now),
            "exp": int(now + self.token_seconds),
            "jti": uuid.uuid4().hex,
        }
        parts = [_base64({"alg": "RS256", "typ": "JWT"}), _base64(claims), "signature"]
        jwt = ".".join(parts)
        self._tokens[jwt] = now + self.token_seconds
        return _json({"token": jwt})

    def _create(self, request: Request) -> Reply:
        body = json.loads(request.body)
        self.bodies.append(body)
        if set(body) - EVENT_KEYS or not {"name", "username"} <= set(body.get("creator", {})):
            return _error(400, "Invalid request payload input")
        if "startFrom" not in body:
            return _error(400, 'Missing "startFrom" field')
        pipeline = self.pipelines.get(body.get("pipelineId"))
        if pipeline is None:
            return _error(404, f"Pipeline {body.get('pipelineId')} does not exist")
        job = body["startFrom"]
        event = self._add(
            pipeline, body, job if job in pipeline.jobs and job not in pipeline.disabled else None
        )
        if event.job is None:
            return _error(404, "No jobs to start.")
        self.triggers[event.row["creator"]["name"]] += 1
        return _json(event.row, 201)

    def _add(self, pipeline: Pipeline, body: dict[str, Any], job: str | None) -> Event:
        number = len(self.events) + 1
        meta = dict(body.get("meta", {}))
        declared = _declared(pipeline, meta.get("parameters", {}))
        if declared is not None:
            meta["parameters"] = declared
        row = {
            "id": number,
            "pipelineId": body["pipelineId"],
            "causeMessage": body.get("causeMessage", "")[:512],
            "startFrom": body["startFrom"],
            "createTime": _iso(time.time()),
            "creator": {**body["creator"], "username": "bot"},
            "meta": meta,
            "type": "pipeline",
            "status": "CREATED",
        }
        self.events[number] = Event(row, job, time.time())
        return self.events[number]

    def _builds(self, number: int) -> Reply:
        event = self.events.get(number)
        if event is None:
            return _error(404, "Event does not exist")
        self._note_poll(number)
        if event.job is None or time.time() - event.at < self.builds_after_s:
            return _json([])
        return _json([self._build(number, event), *self.extra_builds])

    def _mark(self, numbers: Iterable[int]) -> None:
        self._marked, self._marked_at = set(numbers), time.monotonic()
        self.polled_after_s = self.all_polled_after_s = None

    def _note_poll(self, number: int) -> None:
        if number not in self._marked:
            return
        self._marked.discard(number)
        after_s = time.monotonic() - self._marked_at
        if self.polled_after_s is None:
            self.polled_after_s = after_s
        if not self._marked:
            self.all_polled_after_s = after_s

    def _build(self, number: int, event: Event) -> dict[str, Any]:
        assert event.job is not None
        row: dict[str, Any] = {
            "id": 1000 + number,
            "eventId": number,
            "jobId": 7,
            "number": 1,
            "cause": "Started by user bot",
            "createTime": _iso(event.at),
            "startTime": _iso(event.at),
            "meta": {"build": {"buildId": str(1000 + number)}, **self.meta_results},
        }
        ends = event.at + self.job_seconds
        if event.stopped:
            row |= {"status": "ABORTED", "statusMessage": "Aborted event by bot"}
        elif self.status_now is not None:
            return row | {"status": self.status_now}
        elif time.time() < ends:
            return row | {"status": "RUNNING"}
        else:
            row |= {"status": self.outcomes.get(event.job, "SUCCESS")}
        return row | {"endTime": _iso(ends)}

    def _stop(self, number: int) -> Reply:
        event = self.events.get(number)
        if event is None:
            return _error(404, "Event does not exist")
        event.stopped = True
        return _json(event.row)

    def _list(self, pipeline_id: int, request: Request) -> Reply:
        self.queries.append(request.query)
        if pipeline_id not in self.pipelines:
            return _error(404, "Pipeline does not exist")
        count = int(request.query.get("count", 50))
        if count > 50:
            return _error(400, "Invalid request query input")
        found = [e for e in reversed(self.events.values()) if e.row["pipelineId"] == pipeline_id]
        if (creator := request.query.get("creator")) is not None:
            like = re.compile(re.escape(creator).replace("%", ".*").replace("_", "."), re.IGNORECASE)
            found = [each for each in found if like.search(each.creator)]
        rows = [each.row for each in found]
        start = (int(request.query.get("page", 1)) - 1) * count
        return _json(rows[start : start + count])

    def _jobs(self, pipeline_id: int) -> Reply:
        pipeline = self.pipelines.get(pipeline_id)
        if pipeline is None:
            return _error(404, "Pipeline does not exist")
        return _json([{"id": 7 + i, "name": name} for i, name in enumerate(pipeline.jobs)])

    def _control(self, request: Request) -> Reply:
        asked = json.loads(request.body or b"{}")
        if "fault" in asked:
            self.faults.append(Fault(**asked["fault"]))
        if asked.get("heal"):
            self.faults.clear()
        self.outcomes.update(asked.get("outcomes", {}))
        if asked.get("expire"):
            self._tokens = dict.fromkeys(self._tokens, 0.0)
        if marked := asked.get("mark"):
            self._mark(self.events if marked is True else marked)
        now = time.time()
        return _json(
            {
                "triggers": self.triggers,
                "calls": self.calls,
                "events": len(self.events),
                "running": sum(now < event.at + self.job_seconds for event in self.events.values()),
                "struck": self.struck,
                "polled_after_s": self.polled_after_s,
                "all_polled_after_s": self.all_polled_after_s,
            }
        )


def _trigger(event: Event) -> dict[str, Any]:
    """What there is to say of an event: its key, its place in time, and the parameters of its job."""
    given = event.row["meta"].get("parameters", {})
    own = given.get(event.row["startFrom"])
    return {
        "key": event.row["creator"]["name"],
        "job": event.job,
        "at": event.came_at,
        "stopped": event.stopped,
        "parameters": own if isinstance(own, dict) else given,
    }


def _declared(pipeline: Pipeline, given: dict[str, Any]) -> dict[str, Any] | None:
    """`meta.parameters` as the server keeps it; None when nothing is declared (then it is kept as sent)."""
    kept: dict[str, Any] = _merged(pipeline.parameters, given)
    for job, parameters in pipeline.jobs.items():
        if parameters:
            own = given.get(job)
            kept[job] = _merged(parameters, own if isinstance(own, dict) else {})
    return kept or None


def _merged(declared: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    merged = {}
    for name, default in declared.items():
        value = given.get(name)
        if isinstance(value, dict):
            value = value.get("value")
        merged[name] = {
            "value": default if value is None or isinstance(value, list) else value,
            "default": default,
        }
    return merged


def _spoilt(fault: Fault, done: Reply) -> Reply:
    if fault.kind == "late":
        return Reply(done.status, done.body, delay_s=fault.seconds)
    if fault.kind == "hang":
        return Reply(delay_s=None)
    if fault.kind in ("cut", "reset"):
        return Reply(cut=True, reset=fault.kind == "reset")
    if fault.kind == "half":
        return Reply(
            raw=b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
        )
    if fault.status == 502:
        return Reply(502, HTML_502, {"Content-Type": "text/html"})
    return _error(fault.status, "An internal server error occurred", fault.headers)


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    body = json.dumps({"statusCode": status, "error": "Error", "message": message}).encode()
    return Reply(status, body, headers or {})


def _base64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--job-seconds", type=float, default=10.0)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--job", default="fix")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pipelines = {given.pipeline: Pipeline({given.job: {}})}
    with ScrewdriverStandin(
        port=given.port, job_seconds=given.job_seconds, pipelines=pipelines, seed=given.seed
    ) as standin:
        print(standin.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
