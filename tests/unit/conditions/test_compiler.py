"""Mistakes in conditions: all at once, each at its place, with what to do."""

import time

import pytest
from tests.unit.conditions.build import make_config, make_incident, make_set

from automation_consumer.conditions.compiler import compile_conditions
from automation_consumer.config.problems import Severity
from automation_consumer.config.settings import Place


def problems_of(*conditions):
    compiled, problems = compile_conditions(make_config(*conditions))
    assert (compiled is None) is bool(problems)
    return problems


@pytest.mark.parametrize(
    ("tree", "code", "path", "says"),
    [
        ({"severty": "x"}, "unknown-field", "match.severty", "did you mean 'severity'?"),
        ({"host": "x"}, "unknown-field", "match.host", "'tags.host'"),
        ({"tag.host": "x"}, "unknown-field", 'match["tag.host"]', "'tags.host'"),
        ({"tags.": "x"}, "unknown-field", 'match["tags."]', "tags.<name>"),
        ({"title": {"regx": "x"}}, "unknown-operator", "match.title.regx", "did you mean 'regex'?"),
        ({"title": {"regex": "(a"}}, "bad-operand", "match.title.regex", "missing )"),
        ({"title": {"regex": "(?=a)"}}, "bad-operand", "match.title.regex", "does not compile"),
        ({"title": {"regex": "a{1000}{1000}"}}, "bad-operand", "match.title.regex", "does not compile"),
        ({"title": {"regex": "\ud800"}}, "bad-operand", "match.title.regex", "not valid Unicode"),
        ({"title": {"glob": "[z-a]"}}, "bad-operand", "match.title.glob", "does not compile"),
        ({"title": []}, "bad-operand", "match.title", "empty list"),
        ({"title": {"in": "a"}}, "bad-operand", "match.title.in", "takes a list"),
        ({"title": {"in": ["a", {"b": 1}]}}, "bad-operand", "match.title.in", "one text, number or boolean"),
        ({"title": None}, "bad-operand", "match.title", "exists: false"),
        ({"title": {"equals": ["a"]}}, "bad-operand", "match.title.equals", "in: [...]"),
        ({"title": {}}, "bad-clause", "match.title", "no operator"),
        ({"alert_count": {"gt": "many"}}, "bad-operand", "match.alert_count.gt", "takes a number"),
        ({"alert_count": {"gt": True}}, "bad-operand", "match.alert_count.gt", "takes a number"),
        ({"tags.t": {"lt": "2026-01-01"}}, "bad-operand", 'match["tags.t"].lt', "takes a number"),
        ({"started_at": {"lt": "noon"}}, "bad-operand", "match.started_at.lt", "ISO 8601"),
        ({"started_at": {"older_than": "5 weeks"}}, "bad-operand", "match.started_at.older_than", "30s, 5m"),
        ({"title": {"exists": "yes"}}, "bad-operand", "match.title.exists", "true or false"),
        ({"any": []}, "bad-clause", "match.any", "list of one or more"),
        ({"any": {"title": "a"}}, "bad-clause", "match.any", "list of one or more"),
        ({"all": [1]}, "bad-clause", "match.all[0]", "a mapping"),
        ({"any": [{"titel": "a"}]}, "unknown-field", "match.any[0].titel", "'title'"),
        ({"not": {}}, "bad-clause", "match.not", "empty mapping"),
        ({"not": "x"}, "bad-clause", "match.not", "a mapping"),
    ],
)
def test_a_mistake(tree, code, path, says):
    (problem,) = problems_of({}, {"match": tree})[-1:]
    assert (problem.code, problem.severity) == (code, Severity.ERROR)
    assert problem.path == f"incident_conditions[1].{path}"
    assert says in problem.message
    assert "'c1'" in problem.message
    assert (problem.file, problem.line) == ("team.yaml", 20)


def test_alert_fields_are_not_incident_fields():
    (problem,) = problems_of({"alerts": {"alert_count": 1}})
    assert problem.path == "incident_conditions[0].alerts.alert_count"
    assert make_set({"alerts": {"host": "h"}}, {"match": {"alert_count": 1}})


def test_all_mistakes_come_at_once_and_where_they_stand():
    places = []

    def where(path):
        places.append(path)
        return Place("fine.yaml", len(places), 7)

    config = make_config({"match": {"titel": "x", "title": {"regex": "("}}}, {"alerts": {"hst": 1}})
    _, problems = compile_conditions(config, where)
    assert places == [
        ("incident_conditions", 0, "match", "titel"),
        ("incident_conditions", 0, "match", "title", "regex"),
        ("incident_conditions", 1, "alerts", "hst"),
    ]
    assert [(p.file, p.line, p.column) for p in problems] == [("fine.yaml", n, 7) for n in (1, 2, 3)]


SHADOWS = [
    ({}, {"match": {"status": "a"}}),
    ({"match": {"status": "a"}}, {"match": {"status": "a"}}),
    ({"match": {"status": "a"}}, {"match": {"status": "a", "title": "t"}}),
    ({"match": {"status": ["a", "b"]}}, {"match": {"status": "a"}}),
    ({"match": {"status": ["a", "b", "c"]}}, {"match": {"status": ["b", "a"]}}),
    ({"match": {"tags.h": {"regex": "^grid"}}}, {"match": {"tags.h": "grid-1"}}),
    ({"match": {"tags.h": {"regex": "^grid"}}}, {"match": {"tags.h": {"regex": "^grid"}, "status": "a"}}),
    ({"match": {"tags.h": {"glob": "g*"}}}, {"match": {"tags.h": ["g1", "g2"]}}),
    ({"match": {"tags.h": {"starts_with": "g"}}}, {"match": {"tags.h": {"starts_with": "gr"}}}),
    ({"match": {"tags.h": {"ends_with": "g"}}}, {"match": {"tags.h": {"ends_with": "rg"}}}),
    ({"match": {"tags.h": {"contains": "g"}}}, {"match": {"tags.h": {"ends_with": "rg"}}}),
    ({"match": {"tags.h": {"exists": True}}}, {"match": {"tags.h": {"regex": "x"}}}),
    ({"match": {"alert_count": {"gte": 2}}}, {"match": {"alert_count": {"gt": 2}}}),
    ({"match": {"alert_count": {"gt": 2}}}, {"match": {"alert_count": {"gt": 3}}}),
    ({"match": {"alert_count": {"lt": 5}}}, {"match": {"alert_count": {"lte": 4}}}),
    ({"match": {"alert_count": {"gt": 2}}}, {"match": {"alert_count": 3}}),
    ({"match": {"started_at": {"older_than": "5m"}}}, {"match": {"started_at": {"older_than": "1h"}}}),
    ({"match": {"status": {"not_equals": "a"}}}, {"match": {"status": "b"}}),
    ({"match": {"tags.h": {"not_equals": "a"}}}, {"match": {"tags.h": {"not_in": ["a", "b"]}}}),
    ({"match": {"any": [{"status": "a"}, {"status": "b"}]}}, {"match": {"status": "b"}}),
    ({"match": {"all": [{"status": "a"}, {"title": "b"}]}}, {"match": {"status": "a", "title": "b"}}),
    ({"match": {"not": {"status": "a"}}}, {"match": {"not": {"status": "a"}, "title": "t"}}),
    ({"alerts": {"host": "h"}}, {"alerts": {"host": "h", "status": "a"}}),
    ({"match": {"status": "a"}}, {"match": {"status": "a"}, "alerts": {"host": "h"}}),
]

NO_SHADOWS = [
    ({"continue": True}, {"match": {"status": "a"}}),
    ({"enabled": False}, {"match": {"status": "a"}}),
    ({}, {"match": {"status": "a"}, "enabled": False}),
    ({"match": {"status": "a"}}, {"match": {"status": ["a", "b"]}}),
    ({"match": {"status": "a", "title": "t"}}, {"match": {"status": "a"}}),
    ({"match": {"tags.h": {"not_equals": "a"}}}, {"match": {"tags.h": "b"}}),  # a list may have both
    ({"match": {"tags.h": {"regex": "^grid"}}}, {"match": {"tags.h": ["grid-1", "web"]}}),
    ({"match": {"tags.h": {"starts_with": "gr"}}}, {"match": {"tags.h": {"starts_with": "g"}}}),
    ({"match": {"tags.h": {"exists": True}}}, {"match": {"tags.h": {"not_equals": "x"}}}),
    ({"match": {"alert_count": {"gt": 2}}}, {"match": {"alert_count": {"gte": 2}}}),
    ({"match": {"alert_count": {"gt": 2}}}, {"match": {"alert_count": {"lt": 5}}}),
    ({"match": {"started_at": {"older_than": "1h"}}}, {"match": {"started_at": {"older_than": "5m"}}}),
    ({"match": {"started_at": {"older_than": "5m"}}}, {"match": {"started_at": 0}}),
    ({"match": {"any": [{"status": "a"}, {"status": "b"}]}}, {"match": {"status": "c"}}),
    ({"match": {"not": {"status": "a"}}}, {"match": {"not": {"status": ["a", "b"]}}}),
    ({"alerts": {"host": "h"}}, {"match": {"status": "a"}}),  # an incident without such an alert
    ({"alerts": {"host": "h"}}, {"match": {"source": "h"}, "alerts": {"source": "h"}}),
    ({"match": {"source": "h"}}, {"alerts": {"source": "h"}}),
    ({"match": {"tags.a": "h"}}, {"match": {"tags.b": "h"}}),
]


@pytest.mark.parametrize(("early", "late"), SHADOWS)
def test_a_condition_that_can_never_match_is_an_error(early, late):
    other = {"match": {"title": "another"}, "alerts": {"host": "another"}}
    (problem,) = problems_of(other, early, late)
    assert (problem.code, problem.severity) == ("shadowed-condition", Severity.ERROR)
    assert (problem.path, problem.line) == ("incident_conditions[2]", 30)
    assert "'c1' (team.yaml:20)" in problem.message


@pytest.mark.parametrize(("early", "late"), NO_SHADOWS)
def test_a_condition_that_may_match_is_fine(early, late):
    assert problems_of(early, late) == []


@pytest.mark.parametrize(
    "tree",
    [
        lambda n: {"match": {"any": [{"tags.team": f"t{n}"}, {"tags.team": f"u{n}"}]}},
        lambda n: {"match": {"status": "critical", "alert_count": {"gte": n}, "tags.t": {"exists": True}}},
        lambda n: {"match": {"title": {"regex": f"disk{n}x .*full"}, "severity": ["a", "b"]}},
    ],
)
def test_ten_thousand_conditions_compile_in_seconds(tree):
    config = make_config(*(tree(10_000 - n) for n in range(10_000)))
    started = time.process_time()
    compiled, problems = compile_conditions(config)
    assert problems == []
    assert len(compiled) == 10_000
    assert time.process_time() - started < 6.0


def test_a_disabled_condition_never_matches():
    conditions = make_set({"enabled": False}, {"match": {"status": "a"}})
    assert [m.condition for m in conditions.match(make_incident(status="a"), 0.0)] == ["c1"]
    assert conditions.match(make_incident(status="b"), 0.0) == []
