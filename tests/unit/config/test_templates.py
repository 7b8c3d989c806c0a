"""Templates: what they render, what they refuse, and that data stays data."""

import subprocess
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation_consumer.config.problems import Severity
from automation_consumer.config.settings import (
    ActionSpec,
    CommonOptions,
    Condition,
    ConditionSpec,
    Config,
    Place,
    TopLevel,
)
from automation_consumer.config.template_tree import compile_tree
from automation_consumer.config.templates import Expression, Template, check_templates
from automation_consumer.errors import SecretError, TemplateError
from automation_consumer.plugin.params import Escaping
from automation_consumer.plugin.registry import Registry

SECRETS = {"sd-token": "s3cr3t", "a.b": "dotted"}
HOSTILE = "{{ 7*7 }} {% raw %} $secret:sd-token '; rm -rf / #\n$(id) `id` \"<!here> & a/b?c#d@e:f"


def render(text, escaping=Escaping.NONE, **scope):
    return Template.compile(text, escaping).render(scope, SECRETS.__getitem__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{ host }}", "db1"),
        ("on {{ host }}\n", "on db1\n"),
        ("{{ active }} {{ count }} {{ tags }} {{ rows }}", 'true 3 {"items": "x y"} ["a", 1]'),
        ("{{ tags.items }} {{ tags['items'] }}", "x y x y"),
        ("{{ missing | default('none') }}", "none"),
        ("{{ nothing | default('none', true) }}", "none"),
        ("{{ host | upper }} {{ rows | join('-') }} {{ rows | length }}", "DB1 a-1 2"),
        ("{{ alerts | map(attribute='host') | join(',') }}", "h1,h2"),
        ("{% for a in alerts %}{{ loop.index }}{{ a.host }};{% endfor %}", "1h1;2h2;"),
        ("{% if count > 2 and host is defined %}many{% else %}few{% endif %}", "many"),
        ("{% set x = count * 2 %}{{ x }}", "6"),
        ("{{ host | replace('d', 'w') }}", "wb1"),
        ("{{ tags | tojson }}", '{"items": "x y"}'),
        ("{{ 'a b/c' | urlencode }} {{ {'q': 'a b'} | urlencode }}", "a%20b%2Fc q=a+b"),
        ("{{ 'a b' | shq }} {{ '<!here>' | slack }}", "'a b' &lt;!here&gt;"),
        ("{# nothing #}x", "x"),
        ("Bearer $secret:sd-token.", "Bearer s3cr3t."),
        ("$secret:a.b/{{ host }}", "dotted/db1"),
        ("{% raw %}{{ host }}{% endraw %}", "{{ host }}"),
    ],
)
def test_what_a_template_renders_to(text, expected):
    scope = {
        "host": "db1",
        "active": True,
        "count": 3,
        "nothing": None,
        "tags": {"items": "x y"},
        "rows": ["a", 1],
        "alerts": [{"host": "h1"}, {"host": "h2"}],
    }
    assert render(text, **scope) == expected


def test_a_text_without_template_is_literal():
    template = Template.compile("cost: 5 $ {a} % }}")
    assert template.is_literal
    assert template.render({}, SECRETS.__getitem__) is template.text
    assert not Template.compile("$secret:a").is_literal


def test_names_and_secrets():
    template = Template.compile(
        "{{ host }} {{ alert.id }}{% set x = y %}{{ x }} $secret:sd-token. {{ vars.a }}"
    )
    assert template.names == {"host", "alert", "y", "vars"}
    assert template.secrets == {"sd-token"}
    assert Expression.compile("severity == 'x' and alert.id").names == {"severity", "alert"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ok\n{{ host", "line 2"),
        ("a\nb\n{{ | }}", "line 3"),
        ("{% if x %}", "line 1"),
        ("{{ host | uppr }}", "did you mean 'upper'?"),
        ("{% if x %}{{ x | format(1) }}{% endif %}", "no filter 'format'"),
        ("{{ x is oddly }}", "no test 'oddly'"),
        ("{{ ''.join(x) }}", "cannot call"),
        ("{{ range(9) }}", "cannot call"),
        ("{% macro m() %}{% endmacro %}", "'macro' is not available"),
        ("{% include 'x' %}", "'include' is not available"),
        ("{% import 'x' as y %}", "'import' is not available"),
        ("{% extends 'x' %}", "'extends' is not available"),
        ("{% filter upper %}x{% endfilter %}", "'filterblock' is not available"),
        ("{% autoescape true %}x{% endautoescape %}", "not available"),
        ("{{ '$secret:a' }}", "outside of {{ }}"),
        ("$secret:{{ x }}", "not followed by a secret's name"),
        ("$secret: x", "not followed by a secret's name"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", ""),
        ("x" * (1 << 20) + "{{ x }}", "characters"),
    ],
)
def test_what_does_not_compile(text, says):
    with pytest.raises(TemplateError) as caught:
        Template.compile(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "name", ["attr", "format", "center", "indent", "pprint", "random", "safe", "xmlattr", "groupby"]
)
def test_dangerous_filters_are_gone(name):
    with pytest.raises(TemplateError, match="there is no filter"):
        Template.compile(f"{{{{ x | {name} }}}}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ hst }}", r"this incident has no 'hst' \(did you mean 'host'\?\)"),
        ("{% if hst %}x{% endif %}", "no 'hst'"),
        ("{{ tags.nope }}", "nope"),
        ("{{ tags.__class__ }}", "__class__"),
        ("{{ host.__class__ }}", "__class__"),
        ("{{ host.upper }}", "upper"),
        ("{{ host['format'] }}", "format"),
        ("{{ nothing }}", "null"),
        ("{{ 2 ** 9 }}", "operator"),
        ("{{ host * 999999999 }}", "operator"),
        ("{{ [host] * 999999999 }}", "operator"),
        ("{{ '%09999999999d' % 1 }}", "operator"),
        ("{% set ns = 9 %}" + "{% set ns = ns * ns %}" * 20 + "{{ ns }}", "operator"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ host + 1 }}", "concatenate"),
        ("{{ host | map('upper') | list }}", "positional"),
        ("{{ ['sd-token'] | map(' secret') | join }}", "positional"),
        ("{% for a in big %}{% for b in big %}{{ host }}{% endfor %}{% endfor %}", "more than"),
        ("{{ long | replace('x', long) }}", "more than"),
    ],
)
def test_what_cannot_be_rendered(text, says):
    scope = {"host": "db1", "tags": {}, "nothing": None, "big": list(range(2000)), "long": "x" * 5000}
    with pytest.raises(TemplateError, match=says):
        render(text, **scope)


@pytest.mark.parametrize("escaping", Escaping)
def test_a_value_is_never_read_as_a_template(escaping):
    asked = []
    template = Template.compile("{{ x }}", escaping)
    text = template.render({"x": "{{ 7*7 }}$secret:sd-token{% if %}"}, asked.append)
    assert "49" not in text
    assert asked == []


def test_a_secret_is_not_quoted_and_its_error_passes():
    assert render("$secret:sd-token {{ x }}", Escaping.SHELL, x="a b") == "s3cr3t 'a b'"

    def missing(name):
        raise SecretError(f"no {name}")

    with pytest.raises(SecretError, match="no sd-token"):
        Template.compile("$secret:sd-token").render({}, missing)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_shell_reads_back_every_value(text):
    script = render("printf %s {{ x }}", Escaping.SHELL, x=text)
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == text.encode()


@given(text=st.text())
def test_a_url_value_is_one_word_of_the_url(text):
    encoded = render("{{ x }}", Escaping.URL, x=text)
    assert unquote(encoded) == text
    assert not set("/?#@:&=%".replace("%", "")) & set(encoded)


@given(text=st.text())
def test_a_slack_value_has_no_markup(text):
    escaped = render("<b> & {{ x }}", Escaping.SLACK, x=text).removeprefix("<b> & ")
    assert not set("<>") & set(escaped)
    assert escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_a_value_is_quoted_once_and_after_the_filters():
    assert render("{{ x | shq }} {{ x | upper }}", Escaping.SHELL, x="a b") == "'a b' 'A B'"
    assert render("{{ (x | shq) ~ ';' }}", Escaping.SHELL, x="a") == "'a;'"
    assert render("{{ x | shq }}", Escaping.URL, x="a b") == "%27a%20b%27"
    assert render("{{ x | urlencode }}", Escaping.URL, x="a/b") == "a%2Fb"
    assert render("a/{{ x }}?b=c", Escaping.URL, x=HOSTILE).startswith("a/%7B%7B%207%2A7")
    assert render("{% set y %}{{ x }}{% endset %}{{ y }}", Escaping.SLACK, x="<") == "&amp;lt;"
    with pytest.raises(TemplateError, match="NUL"):
        render("{{ x }}", Escaping.SHELL, x="a\0b")


@pytest.mark.parametrize(
    "script",
    [
        'echo "{{ x }}"',
        "echo '{{ x }}'",
        "echo $'a{{ x }}'",
        "echo `ls {{ x }}`",
        'echo "$(ls {{ x }})"',
        "ls # {{ x }}",
        "cat <<EOF\n{{ x }}\nEOF",
        "cat <<-'EOF'\n{{ x }}\nEOF",
        "echo \\{{ x }}",
        'echo "a\\"{{ x }}"',
    ],
)
def test_a_shell_value_must_stand_where_its_quotes_work(script):
    with pytest.raises(TemplateError, match="stands within"):
        Template.compile(script, Escaping.SHELL)
    Template.compile(script.replace("{{ x }}", "$secret:a"), Escaping.SHELL)


@pytest.mark.parametrize(
    "script",
    [
        "ls {{ x }}",
        "ls 'a b'{{ x }} \"c\" {{ x }}",
        "# a comment, isn't it\nls {{ x }}",
        "echo a#b {{ x }} $# {{ x }}",
        "x=$(ls {{ x }}) && cat <<<{{ x }}",
        "sort < {{ x }} > {{ x }}",
        "grep \"it's\" {{ x }} 'a\\' {{ x }}",
    ],
)
def test_a_shell_value_may_stand_between_quotes(script):
    rendered = render(script, Escaping.SHELL, x=HOSTILE)
    assert rendered.count("{{ 7*7 }}") == script.count("{{ x }}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("severity == 'critical'", True),
        ("{{ count > 2 }}", True),
        ("  {{ not active }}  ", False),
        ("host", True),
        ("flag", False),
        ("nothing", False),
        ("missing is defined", False),
        ("tags.env == 'prod' or count in [3, 4]", True),
        ("true", True),
        ("host if active else false", True),
    ],
)
def test_an_expression(text, expected):
    scope = {
        "severity": "critical",
        "count": 3,
        "active": True,
        "host": "db1",
        "flag": "False",
        "nothing": None,
        "tags": {},
    }
    if "tags.env" in text:
        scope["tags"] = {"env": "dev"}
    assert Expression.compile(text).test(scope) is expected


@pytest.mark.parametrize(
    "text", ["", "a ==", "a %}{% if b %}x{% endif %}{% set c = 1", "a }} {{ b", "f()", "'$secret:a'"]
)
def test_what_is_no_expression(text):
    with pytest.raises(TemplateError):
        Expression.compile(text)


@pytest.mark.parametrize("text", ["hst", "hst == 1", "tags.env == 1", "tags.env"])
def test_a_missing_name_in_an_expression_is_an_error(text):
    with pytest.raises(TemplateError):
        Expression.compile(text).test({"host": "db1", "tags": {}})


def escaping_of(field):
    return {"url": Escaping.URL, "script": Escaping.SHELL}.get(field, Escaping.NONE)


def test_a_tree_renders_its_texts_and_nothing_else():
    value = {
        "url": "https://x/{{ host }}",
        "headers": {"X-{{ host }}": "$secret:sd-token", "n": 1},
        "list": [{"a": "{{ host }}"}, "b", None, True],
        "script": "ls {{ host }}",
    }
    tree = compile_tree(value, escaping_of)
    assert tree.names == {"host"}
    assert tree.secrets == {"sd-token"}
    assert tree.render({"host": "a/b c"}, SECRETS.__getitem__) == {
        "url": "https://x/a%2Fb%20c",
        "headers": {"X-{{ host }}": "s3cr3t", "n": 1},
        "list": [{"a": "a/b c"}, "b", None, True],
        "script": "ls 'a/b c'",
    }
    assert value["url"] == "https://x/{{ host }}"


def test_a_tree_without_templates_is_the_same_object():
    value = {"a": ["b", {"c": 1}]}
    assert compile_tree(value, escaping_of).render({}, SECRETS.__getitem__) is value


def test_a_tree_names_the_path_of_a_mistake():
    with pytest.raises(TemplateError, match=r"headers\.X-Foo: line 1"):
        compile_tree({"headers": {"X-Foo": "{{"}}, escaping_of)
    tree = compile_tree({"blocks": [{"text": "{{ nope }}"}]}, escaping_of)
    with pytest.raises(TemplateError, match=r"blocks\[0\]\.text: this incident has no 'nope'"):
        tree.render({}, SECRETS.__getitem__)


def make_config(*actions, match=None):
    specs = {
        each["name"]: ActionSpec(
            CommonOptions.model_validate(
                {key: each[key] for key in ("name", "type", "when", "lock") if key in each}
            ),
            {key: value for key, value in each.items() if key not in ("name", "type", "when", "lock")},
            Place("team.yaml", 10 * (number + 1)),
        )
        for number, each in enumerate(actions)
    }
    condition = Condition.model_validate({"name": "c", "match": match or {}})
    return Config("v1", TopLevel(version=1), specs, (ConditionSpec(condition, Place("team.yaml", 1)),))


def test_all_templates_of_a_configuration_are_checked():
    config = make_config(
        {
            "name": "a",
            "type": "x",
            "message": "{{ host }} {{ alert_count }} {{ alert.id }} {{ team }} {{ pipeline }} {{ extra }} {{ own }}",
            "alert_parameters": ["own"],
            "extra_parameters": {"extra": 1},
            "when": "severity == 'x' and oozi",
            "lock": "{{ hots }}",
        },
        {
            "name": "b",
            "type": "x",
            "headers": {"X": "{{ own }}", "Y": "{{"},
            "alert_tag_parameters": ["pipeline"],
        },
        match={"any": [{"tags.team": "x"}, {"not": {"tags.oozie": "x"}}]},
    )
    problems = check_templates(config, Registry())
    assert [(p.line, p.severity, p.code, p.path) for p in problems] == [
        (10, Severity.WARNING, "unknown-template-name", "actions[0].when"),
        (10, Severity.WARNING, "unknown-template-name", "actions[0].lock"),
        (20, Severity.WARNING, "unknown-template-name", "actions[1].headers.X"),
        (20, Severity.ERROR, "template-syntax", "actions[1].headers.Y"),
    ]
    assert "did you mean 'oozie'?" in problems[0].message
    assert "did you mean 'host'?" in problems[1].message
    assert "'own' stands nowhere else" in problems[2].message


def test_problems_stand_where_the_caller_says():
    config = make_config({"name": "a", "type": "x", "list": ["ok", "{{"]})
    (problem,) = check_templates(config, Registry(), lambda path: Place("fine.yaml", 3, len(path)))
    assert (problem.file, problem.line, problem.column) == ("fine.yaml", 3, 4)
