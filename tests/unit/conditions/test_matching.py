"""What a condition takes, and `explain`, which must say the same."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.conditions.build import make_incident, make_set
from tests.unit.conditions.test_index import compile_unchecked, conditions, incidents

from automation_consumer.conditions.explain import explain
from automation_consumer.model.incident import Alert

LATE = Alert(id="1", host="db1", tags={"check": "oozie_coord_late"})
OTHER = Alert(id="2", host="db2", tags={"check": "disk"})


def test_the_first_match_takes_the_incident_unless_it_continues():
    conditions = make_set(
        {"match": {"status": "x"}},
        {"match": {"status": "critical"}, "continue": True},
        {"match": {"severity": "high"}},
        {"match": {"status": ["critical", "warning"]}},
    )
    critical = make_incident(status="critical", severity="high")
    assert [m.condition for m in conditions.match(critical, 0.0)] == ["c1", "c2"]
    assert [m.condition for m in conditions.match(make_incident(status="warning"), 0.0)] == ["c3"]


def test_alerts_are_those_that_satisfy_the_alert_tree():
    by_check = make_set({"alerts": {"tags.check": "oozie_coord_late"}})
    (match,) = by_check.match(make_incident(alerts=(OTHER, LATE)), 0.0)
    assert match.alerts == (LATE,)
    assert by_check.match(make_incident(alerts=(OTHER,)), 0.0) == []
    assert by_check.match(make_incident(), 0.0) == []


def test_without_an_alert_tree_all_alerts_are_handled_and_none_is_needed():
    conditions = make_set({"match": {"status": "a"}})
    assert conditions.match(make_incident(status="a", alerts=(OTHER, LATE)), 0.0)[0].alerts == (OTHER, LATE)
    assert conditions.match(make_incident(status="a"), 0.0)[0].alerts == ()


def test_an_alert_tree_is_about_one_alert_at_a_time():
    conditions = make_set({"alerts": {"host": "db1", "tags.check": "disk"}})
    assert conditions.match(make_incident(alerts=(LATE, OTHER)), 0.0) == []


def test_a_tag_name_may_have_dots():
    conditions = make_set({"match": {"tags.k8s.io/name": "x"}})
    assert conditions.match(make_incident(tags={"k8s.io/name": "x"}), 0.0)
    assert not conditions.match(make_incident(tags={"k8s": {"io/name": "x"}}), 0.0)


def test_the_example_of_the_documentation():
    example = {
        "match": {
            "status": "critical",
            "severity": ["critical", "warning"],
            "tags.property": {"regex": "^grid"},
            "alert_count": {"gte": 2},
            "any": [{"tags.team": "data"}, {"tags.team": "infra"}],
            "not": {"tags.env": "staging"},
        },
        "alerts": {"tags.check": "oozie_coord_late"},
    }
    conditions = make_set(example)
    fields = {"status": "critical", "severity": "warning", "alerts": (LATE, OTHER)}
    tags = {"property": "grid-blue", "team": "infra"}
    assert conditions.match(make_incident(**fields, tags=tags), 0.0)[0].alerts == (LATE,)
    assert not conditions.match(make_incident(**fields, tags=tags | {"env": "staging"}), 0.0)
    assert not conditions.match(make_incident(**fields, tags=tags | {"team": "web"}), 0.0)


def test_explain_shows_every_clause_also_past_the_first_failure():
    conditions = make_set(
        {
            "match": {"status": "critical", "alert_count": {"gte": 9}, "not": {"tags.env": "prod"}},
            "alerts": {"tags.check": "oozie_coord_late", "host": {"starts_with": "db"}},
        }
    )
    incident = make_incident(status="ok", tags={"env": "prod"}, alerts=(LATE, OTHER))
    (report,) = explain(conditions, incident, 0.0)
    assert report.as_dict() == {
        "condition": "c0",
        "rule": "team.yaml:10",
        "matched": False,
        "holds": False,
        "reason": "does not hold: status equals 'critical', it is 'ok'; alert_count gte 9, it is 2; "
        "not (tags.env equals 'prod', it is 'prod')",
        "clauses": [
            clause("status", "equals", "critical", "ok", False),
            clause("alert_count", "gte", 9, 2, False),
            clause("not", "not", None, None, False, [clause("tags.env", "equals", "prod", "prod", True)]),
        ],
        "alerts": [
            {
                "alert": "1",
                "result": True,
                "clauses": [
                    clause("tags.check", "equals", "oozie_coord_late", "oozie_coord_late", True),
                    clause("host", "starts_with", "db", "db1", True),
                ],
            },
            {
                "alert": "2",
                "result": False,
                "clauses": [
                    clause("tags.check", "equals", "oozie_coord_late", "disk", False),
                    clause("host", "starts_with", "db", "db2", True),
                ],
            },
        ],
    }


def clause(path, operator, expected, actual, result, clauses=()):
    return {
        "path": path,
        "operator": operator,
        "expected": expected,
        "actual": actual,
        "result": result,
        "clauses": list(clauses),
    }


def test_explain_says_who_took_it_and_who_is_disabled():
    conditions = make_set(
        {"match": {"status": "a"}, "enabled": False},
        {"match": {"severity": "s"}},
        {"match": {"status": "a"}},
        {"alerts": {"host": "db9"}},
    )
    reports = explain(conditions, make_incident(status="a", severity="s", alerts=(LATE,)), 0.0)
    assert [r.matched for r in reports] == [False, True, False, False]
    assert [r.holds for r in reports] == [True, True, True, False]
    assert "disabled" in reports[0].reason
    assert reports[1].reason == "every clause holds; it handles 1 of 1 alerts"
    assert reports[2].reason.endswith("an earlier condition took the incident: c1")
    assert reports[3].reason == "none of the 1 alerts satisfies `alerts`"


@settings(max_examples=100)
@given(some=st.lists(conditions, max_size=6), incident=incidents)
def test_explain_and_match_say_the_same(some, incident):
    compiled = compile_unchecked(some)
    explained = [
        (r.condition, tuple(a.result for a in r.alerts))
        for r in explain(compiled, incident, 5.0)
        if r.matched
    ]
    matches = compiled.match(incident, 5.0)
    assert [name for name, _ in explained] == [m.condition for m in matches]
    for (_, results), match in zip(explained, matches, strict=True):
        kept = tuple(alert for alert, result in zip(incident.alerts, results, strict=True) if result)
        assert kept == match.alerts
