"""The judge: compares what was sent with the journal and with what the target saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.workload import ALERTS, Sent, Workload

from automation_consumer.model.run import Phase, Run, RunStatus

SHOWN = 5  # examples in a report
ALERT_ACTIONS = ("fix", "note")


@dataclass
class Verdict:
    """What must not be, counted, with examples."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def examples(self) -> list[str]:
        kinds = {"lost": self.lost, "twice": self.twice, "disordered": self.disordered}
        return [f"{kind}: {text}" for kind, found in kinds.items() for text in found[:SHOWN]]


def judge(
    workload: Workload, runs: Sequence[Run], triggers: Sequence[dict[str, Any]], job_s: float
) -> Verdict:
    """`triggers` as the target lists them; `runs` is the whole journal; a job runs for `job_s` seconds."""
    verdict = Verdict(statuses=Counter(str(run.status) for run in runs))
    _jobs(verdict, workload, triggers)
    _journal(verdict, workload.sent, runs)
    _order(verdict, triggers, job_s)
    return verdict


def _jobs(verdict: Verdict, workload: Workload, triggers: Sequence[dict[str, Any]]) -> None:
    """Each job once: no run key twice, and no (incident, alert, content) twice under different keys either."""
    keys = Counter(each["key"] for each in triggers)
    verdict.twice += [f"run key {key}: {count} jobs" for key, count in keys.items() if count > 1]
    jobs = Counter(map(_job, triggers))
    verdict.twice += [f"job {job}: {count} times" for job, count in jobs.items() if count > 1]
    wanted = set(workload.expected())
    verdict.lost += [f"job {job} was never started" for job in sorted(wanted - jobs.keys())]
    verdict.twice += [f"job {job} was not asked for" for job in sorted(jobs.keys() - wanted)]


def _journal(verdict: Verdict, sent: Iterable[Sent], runs: Iterable[Run]) -> None:
    """Every (message, alert, action) is in the journal and has ended, and as it should."""
    found = {(run.partition, run.offset, run.alert_id, run.action): run for run in runs}
    for each in sent:
        if each.incident is None:
            continue
        alerts = [f"{each.incident}-a{number}" for number in range(ALERTS)]
        wanted = [(alert, action) for alert in alerts for action in ALERT_ACTIONS]
        good = RunStatus.SKIPPED if each.repeats else RunStatus.SUCCEEDED
        for alert, action in (*wanted, (None, "sum_up")):
            run = found.get((each.partition, each.offset, alert, action))
            where = f"{action} for {alert or each.incident}, message {each.partition}@{each.offset}"
            if run is None:
                verdict.lost.append(f"{where}: not in the journal")
            elif run.status is not good and not (run.phase is Phase.INCIDENT and run.ended):
                verdict.lost.append(f"{where}: {run.status}, not {good} ({run.reason})")


def _order(verdict: Verdict, triggers: Iterable[dict[str, Any]], job_s: float) -> None:
    """An incident's second content starts nothing before all jobs of its first one have ended."""
    by_incident: defaultdict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in triggers:
        ident, _, round_ = _job(each)
        by_incident[ident][round_].append(each["at"])
    for ident, rounds in by_incident.items():
        if 2 in rounds and min(rounds[2]) < max(rounds[1], default=0.0) + job_s:
            early_s = max(rounds[1]) + job_s - min(rounds[2])
            verdict.disordered.append(
                f"{ident}: its change began {early_s:.2f} s before its first jobs had ended"
            )


def _job(trigger: dict[str, Any]) -> tuple[str, str, int]:
    values = {
        name: value["value"] if isinstance(value, dict) else value
        for name, value in trigger["parameters"].items()
    }
    return values["incident"], values["id"], int(values["round"])
