"""The judge sees what must not be: a judge that finds nothing would make every scenario green."""

from __future__ import annotations

from typing import Any

from tests.chaos.judge import judge
from tests.chaos.workload import Sent, Workload

from automation_consumer.model.run import Phase, Run, RunStatus

JOB_S = 1.0


def a_workload(*sent: Sent) -> Workload:
    workload = Workload("127.0.0.1:1", "nowhere")  # nothing is published
    workload.sent.extend(sent)
    return workload


NEW, CHANGED = Sent("INC-0", 1, False, 0, 0), Sent("INC-0", 2, False, 0, 1)


def runs_of(sent: Sent, status: RunStatus = RunStatus.SUCCEEDED) -> list[Run]:
    alerts = [f"INC-0-a{n}" for n in range(4)]
    wanted: list[tuple[str | None, str]] = [(alert, action) for alert in alerts for action in ("fix", "note")]
    return [_run(sent, alert, action, status) for alert, action in (*wanted, (None, "sum_up"))]


def _run(sent: Sent, alert: str | None, action: str, status: RunStatus) -> Run:
    return Run(
        id=f"r{sent.offset}{alert}{action}",
        status=status,
        incident_id="INC-0",
        alert_id=alert,
        condition="c",
        phase=Phase.ALERT if alert else Phase.INCIDENT,
        action=action,
        action_type="screwdriver",
        subject="",
        digest="",
        rule="",
        config_version="",
        topic="t",
        partition=sent.partition,
        offset=sent.offset,
        created_at=0.0,
    )


def jobs_of(sent: Sent, at: float) -> list[dict[str, Any]]:
    return [
        {
            "key": f"r{sent.offset}-{n}",
            "at": at,
            "parameters": {"incident": "INC-0", "id": f"INC-0-a{n}", "round": str(sent.round)},
        }
        for n in range(4)
    ]


def test_what_is_as_it_should_be_is_good() -> None:
    verdict = judge(
        a_workload(NEW, CHANGED),
        runs_of(NEW) + runs_of(CHANGED),
        jobs_of(NEW, 0.0) + jobs_of(CHANGED, 1.1),
        JOB_S,
    )
    assert verdict.examples() == []


def test_a_job_that_was_never_started_is_lost() -> None:
    verdict = judge(a_workload(NEW), runs_of(NEW), jobs_of(NEW, 0.0)[1:], JOB_S)
    assert verdict.lost == ["job ('INC-0', 'INC-0-a0', 1) was never started"]


def test_a_job_under_two_keys_is_twice() -> None:
    more = {**jobs_of(NEW, 0.0)[0], "key": "another"}
    verdict = judge(a_workload(NEW), runs_of(NEW), [*jobs_of(NEW, 0.0), more], JOB_S)
    assert verdict.twice == ["job ('INC-0', 'INC-0-a0', 1): 2 times"]


def test_a_key_under_two_jobs_is_twice() -> None:
    jobs = jobs_of(NEW, 0.0)
    jobs[1]["key"] = jobs[0]["key"]
    assert judge(a_workload(NEW), runs_of(NEW), jobs, JOB_S).twice == ["run key r0-0: 2 jobs"]


def test_a_job_that_nobody_asked_for_is_seen() -> None:
    verdict = judge(a_workload(NEW), runs_of(NEW), jobs_of(NEW, 0.0) + jobs_of(CHANGED, 2.0), JOB_S)
    assert len(verdict.twice) == 4


def test_a_run_that_is_missing_or_open_or_failed_is_lost() -> None:
    for runs in (runs_of(NEW)[1:], runs_of(NEW, RunStatus.WAITING), runs_of(NEW, RunStatus.FAILED)):
        assert judge(a_workload(NEW), runs, jobs_of(NEW, 0.0), JOB_S).lost


def test_a_change_that_begins_before_the_first_jobs_have_ended_is_out_of_order() -> None:
    verdict = judge(
        a_workload(NEW, CHANGED),
        runs_of(NEW) + runs_of(CHANGED),
        jobs_of(NEW, 0.0) + jobs_of(CHANGED, 0.9),
        JOB_S,
    )
    assert verdict.disordered == ["INC-0: its change began 0.10 s before its first jobs had ended"]
