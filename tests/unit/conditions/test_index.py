"""The index never loses a condition, and keeps their order."""

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.conditions.build import make_config, make_incident, make_set

from automation_consumer.conditions import index
from automation_consumer.conditions.compiler import _compile, compile_conditions
from automation_consumer.conditions.condition_set import ConditionSet
from automation_consumer.conditions.shadows import find_shadows
from automation_consumer.model.incident import Alert, Lazy
from automation_consumer.model.match import Match

words = st.sampled_from(["a", "ab", "abc", "b", "bc", "1", "x.y"])
elements = st.one_of(words, st.sampled_from([1, 1.0, True, 7]))
tag_values = st.one_of(elements, st.lists(elements, max_size=3), st.none())
clauses = st.one_of(
    elements,
    st.lists(elements, min_size=1, max_size=3),
    words.map(lambda w: {"starts_with": w}),
    words.map(lambda w: {"ends_with": w}),
    words.map(lambda w: {"contains": w}),
    words.map(lambda w: {"regex": "^" + w}),
    words.map(lambda w: {"regex": w + "|b$"}),
    words.map(lambda w: {"glob": w + "*"}),
    words.map(lambda w: {"glob": w}),
    words.map(lambda w: {"not_equals": w}),
    st.lists(words, min_size=1, max_size=2).map(lambda w: {"not_in": w}),
    st.integers(0, 3).map(lambda n: {"gte": n}),
    st.integers(0, 3).map(lambda n: {"lt": n}),
    st.integers(0, 9).map(lambda n: {"older_than": n}),
    st.booleans().map(lambda b: {"exists": b}),
    st.tuples(words, words).map(lambda w: {"starts_with": w[0], "not_equals": w[1]}),
)
incident_fields = st.sampled_from(
    ["status", "source", "environments", "tags.t", "tags.u", "tags.x.y", "alert_count"]
)
alert_fields = st.sampled_from(["status", "host", "tags.t", "tags.u"])


def trees(fields, *, depth=2):
    leaf = st.dictionaries(fields, clauses, max_size=3)
    if not depth:
        return leaf
    below = trees(fields, depth=depth - 1).filter(bool)
    words = {
        "any": st.lists(below, min_size=1, max_size=3),
        "all": st.lists(below, min_size=1, max_size=2),
        "not": below,
    }
    nested = st.fixed_dictionaries({}, optional=words)
    return st.tuples(leaf, nested).map(lambda parts: parts[0] | parts[1])


conditions = st.fixed_dictionaries(
    {
        "match": trees(incident_fields),
        "alerts": st.one_of(st.just({}), trees(alert_fields, depth=1)),
        "enabled": st.sampled_from([True, True, True, False]),
        "continue": st.booleans(),
    }
)
tags = st.dictionaries(st.sampled_from(["t", "u", "x.y"]), tag_values, max_size=3)
alerts = st.builds(
    Alert,
    id=st.just("a"),
    status=st.none() | words,
    host=st.none() | words,
    tags=tags,
)
incidents = st.builds(
    make_incident,
    status=st.none() | words,
    source=st.none() | words,
    environments=st.none() | st.lists(words, max_size=3),
    tags=tags,
    alerts=st.lists(alerts, max_size=3).map(tuple),
)


def one_by_one(compiled: ConditionSet, incident, now) -> list[Match]:
    """What the conditions decide without an index."""
    matches = []
    for condition in compiled.conditions:
        taken = condition.take(incident, now) if condition.enabled else None
        if taken is not None:
            matches.append(Match(condition.name, incident, taken))
            if not condition.continues:
                break
    return matches


def compile_unchecked(some) -> ConditionSet:
    """The set, also when some conditions are shadowed."""

    def fail(path, code, message):
        raise AssertionError(message)

    return ConditionSet([_compile(spec, (), fail) for spec in make_config(*some).conditions])


@pytest.mark.parametrize("small", [0, 8])
@settings(max_examples=120)
@given(some=st.lists(conditions, max_size=20), many=st.lists(incidents, min_size=1, max_size=4))
def test_the_index_changes_nothing(small, some, many):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_SMALL", small)  # 0: tables also for a few conditions
        compiled = compile_unchecked(some)
    for incident in many:
        assert compiled.match(incident, 5.0) == one_by_one(compiled, incident, 5.0)


@settings(max_examples=60)
@given(
    some=st.lists(conditions.map(lambda c: c | {"enabled": True, "continue": True}), min_size=1, max_size=12),
    copies=st.integers(2, 12),
    incident=incidents,
)
def test_with_continue_everything_that_matches_is_found_in_file_order(some, copies, incident):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_SMALL", 1)
        compiled = compile_unchecked(list(chain.from_iterable([some] * copies)))
    found = [match.condition for match in compiled.match(incident, 5.0)]
    expected = [c.name for c in compiled.conditions if c.take(incident, 5.0) is not None]
    assert found == expected


@settings(max_examples=120)
@given(some=st.lists(conditions, max_size=8), many=st.lists(incidents, min_size=1, max_size=10))
def test_a_shadowed_condition_never_matches(some, many):
    compiled = compile_unchecked(some)
    for late, early in find_shadows(compiled.conditions):
        for incident in many:
            if compiled.conditions[late].take(incident, 5.0) is not None:
                assert compiled.conditions[early].take(incident, 5.0) is not None


def test_an_incident_of_other_fields_decodes_neither_tags_nor_alerts():
    def never():
        raise AssertionError("decoded")

    compiled = make_set(
        *({"match": {"source": f"s{n}", "tags.host": f"h{n}"}, "alerts": {"host": "h"}} for n in range(50))
    )
    incident = make_incident(source="other", load_tags=Lazy(never), load_alerts=Lazy(never), alert_count=3)
    assert compiled.match(incident, 0.0) == []


def test_ten_thousand_conditions_leave_a_handful_of_candidates():
    kinds = [
        lambda n: {"match": {"status": "critical", "source": f"s{n % 50}", "tags.host": f"h{n}"}},
        lambda n: {"match": {"title": {"regex": f"disk{n}x .*full"}}},
        lambda n: {"match": {"tags.host": {"starts_with": f"web{n:05d}"}}},
        lambda n: {"match": {"any": [{"tags.team": f"t{n}"}, {"tags.team": f"u{n}"}]}},
        lambda n: {"match": {f"tags.own{n}": "yes"}},
        lambda n: {"alerts": {"host": f"a{n}"}},
        lambda n: {"match": {"description": {"contains": f"<{n}>"}}},
    ]
    compiled, problems = compile_conditions(make_config_of(kinds, 10_000))
    assert compiled is not None, problems[:3]
    nothing = make_incident(
        status="critical",
        source="s1",
        title="disk full",
        description="<none>",
        tags={"host": "q", "team": "q", "own": "yes"},
        alerts=(Alert(id="a", host="q"),),
    )
    assert len(compiled._index.candidates(nothing)) <= 8
    assert compiled.match(nothing, 0.0) == []
    hit = make_incident(tags={"own9993": "yes", "team": "u9992"})
    assert [match.condition for match in compiled.match(hit, 0.0)] == [
        next(c.name for c in compiled.conditions if c.take(hit, 0.0) is not None)
    ]


def make_config_of(kinds, count):
    return make_config(*(kinds[n % len(kinds)](n) for n in range(count)))


def test_prefixes_of_many_lengths():
    compiled = make_set(*({"match": {"title": {"starts_with": "x" * n + "!"}}} for n in range(60)))
    for n in range(60):
        assert [m.condition for m in compiled.match(make_incident(title="x" * n + "!."), 0.0)] == [f"c{n}"]
    assert compiled.match(make_incident(title="x" * 60), 0.0) == []


def test_candidates_of_several_tables_come_in_file_order():
    several = [{"match": {"tags.host": f"h{n}"}} for n in range(20)] + [
        {"match": {"source": f"s{n}"}} for n in range(20)
    ]
    first_by_source = make_set(
        {"match": {"source": "s1"}}, *several[:20], *({"match": {"source": f"z{n}"}} for n in range(20))
    )
    found = first_by_source.match(make_incident(source="s1", tags={"host": "h3"}), 0.0)
    assert [match.condition for match in found] == ["c0"]
    first_by_tag = make_set(*several)
    found = first_by_tag.match(make_incident(source="s1", tags={"host": "h3"}), 0.0)
    assert [match.condition for match in found] == ["c3"]
