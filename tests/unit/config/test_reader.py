"""One YAML file: the data, the positions, and everything that can be wrong with it as YAML."""

import itertools
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.config import reader
from automation_consumer.config.environment import Environment
from automation_consumer.config.problems import Code
from automation_consumer.config.reader import read_file, read_text
from automation_consumer.config.settings import Place
from automation_consumer.config.yaml import LOADER, SlowLoader

LOADERS = pytest.mark.parametrize("loader", [LOADER, SlowLoader], ids=["libyaml", "python"])


def data_of(text, loader=LOADER, **variables):
    document, problems = read_text("f.yaml", text, Environment(variables), loader=loader)
    assert problems == []
    return document.data


def problems_of(text, loader=LOADER, **variables):
    _, problems = read_text("f.yaml", text, Environment(variables), loader=loader)
    return problems


@LOADERS
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-31", "2026-01-31"),
        ("12:30:45", "12:30:45"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!float 12", 12),
        ("<<", "<<"),
        ("|\n  a\n  b", "a\nb\n"),
    ],
)
def test_scalars_have_the_core_schema(text, value, loader):
    found = data_of(f"k: {text}\n", loader)["k"]
    assert found == value
    assert type(found) is type(value)


@LOADERS
def test_merge_keys_and_anchors_keep_their_places(loader):
    text = """\
x-defaults: &defaults
  type: slack
  message: hi
actions:
  - <<: *defaults
    name: a
    message: own
  - <<: [*defaults, {extra: 1}]
    name: b
  - *defaults
"""
    document, problems = read_text("f.yaml", text, Environment(), loader=loader)
    assert problems == []
    assert document.data["actions"][0] == {"name": "a", "message": "own", "type": "slack"}
    assert document.data["actions"][1] == {"name": "b", "type": "slack", "message": "hi", "extra": 1}
    assert document.position(("actions", 0, "type")) == Place("f.yaml", 2, 9)
    assert document.position(("actions", 0, "message")) == Place("f.yaml", 7, 14)
    assert document.position(("actions", 1, "extra")) == Place("f.yaml", 8, 29)
    assert document.position(("actions", 1, "message"), key=True) == Place("f.yaml", 3, 3)
    assert document.position(("actions", 1)) == Place("f.yaml", 8, 5)
    assert document.position(("actions", 2)) == Place("f.yaml", 1, 13)  # where the alias's value stands
    assert document.position(("actions", 1, "nowhere", 3)) == Place("f.yaml", 8, 5)
    assert document.position(("actions", 7, "name")) == Place("f.yaml", 5, 3)
    assert document.position(()) == Place("f.yaml", 1, 1)


def test_a_value_that_is_not_written_has_the_place_of_its_key():
    document, _ = read_text("f.yaml", "a:\n  b:\n  c: 1\n", Environment())
    assert document.position(("a", "b")) == Place("f.yaml", 2, 3)


def test_variables_keep_their_places_and_their_text():
    document, problems = read_text("f.yaml", "${K}: ${V:7}\nl: '${V:7}'\n", Environment({"K": "key"}))
    assert problems == []
    assert document.data == {"key": 7, "l": "7"}
    assert document.position(("key",)) == Place("f.yaml", 1, 7)
    assert document.written(("key",)) == "${V:7}"
    assert document.written(("nowhere",)) is None


@LOADERS
@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", Code.YAML_DUPLICATE_KEY, (2, 11), "first at line 2, column 5"),
        ("a: 1\n'a': 2\n", Code.YAML_DUPLICATE_KEY, (2, 1), "'a' stands twice"),
        ("a: &a [*a]\n", Code.YAML_ALIAS, (1, 8), "within its own anchor"),
        ("a: *b\n", Code.YAML_ALIAS, (1, 4), "&b"),
        ("a: &a 1\nb: &a 2\n", Code.YAML_ALIAS, (2, 4), "twice"),
        ("a: 1\n---\nb: 2\n", Code.YAML_SYNTAX, (2, 1), "second document"),
        ("a:\n\t- 1\n", Code.YAML_SYNTAX, (2, 1), "tab"),
        ("a: @b\n", Code.YAML_SYNTAX, (1, 4), "quote it"),
        ("a: b: c\n", Code.YAML_SYNTAX, (1, 5), "':' is not allowed here"),
        ("a: [1, 2\nb: 3\n", Code.YAML_SYNTAX, (2, 2), "bracket"),
        ("a: {b: ${X:1}}\n", Code.YAML_SYNTAX, None, "must be quoted"),
        ("a: !!python/object:os.system x\n", Code.YAML_SYNTAX, (1, 4), "not plain data"),
        ("a: !thing {b: 1}\n", Code.YAML_SYNTAX, (1, 4), "!thing"),
        ("a: !!int x\n", Code.YAML_SYNTAX, (1, 4), "its tag"),
        ("a: .inf\n", Code.YAML_SYNTAX, (1, 4), ".inf"),
        ("a: 1e999\n", Code.YAML_SYNTAX, (1, 4), "too large"),
        ("? [a]\n: 1\n", Code.YAML_SYNTAX, (1, 3), "simple text"),
        ('a: "\\ud800"\n', Code.YAML_SYNTAX, None, "escape"),
        ("<<: 5\n", Code.YAML_SYNTAX, (1, 5), "`<<`"),
        ("a: b\x00c\n", Code.YAML_SYNTAX, (1, 5), "U+0000"),
        ("", Code.FILE_EMPTY, (1, 1), "empty"),
        ("# nothing\n", Code.FILE_EMPTY, (1, 1), "empty"),
        ("---\n", Code.FILE_EMPTY, None, "empty"),
        ("- 1\n", Code.WRONG_TYPE, (1, 1), "mapping"),
        ("a: ${NOPE}\n", Code.MISSING_VARIABLE, (1, 4), "NOPE"),
        ("a: 'echo ${x%%.*}'\n", Code.BAD_VARIABLE, (1, 4), "$${"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, code, place, words, loader):
    (found,) = problems_of(text, loader)
    assert found.code == code
    assert words in found.message
    if place is not None and code is not Code.YAML_SYNTAX:
        assert (found.line, found.column) == place
    elif place is not None:
        assert found.line == place[0]
    if loader is LOADER and place is not None:
        assert (found.line, found.column) == place


@LOADERS
def test_an_alias_bomb_is_refused(loader):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (found,) = problems_of("\n".join(lines), loader)
    assert (found.code, found.line) == (Code.YAML_ALIAS, 6)


@LOADERS
@pytest.mark.parametrize("text", ["a: " + "[" * 5000 + "]" * 5000, "a: " + "{b: " * 5000 + "1" + "}" * 5000])
def test_deep_nesting_is_refused(text, loader):
    (found,) = problems_of(text, loader)
    assert found.code == Code.YAML_DEPTH


def test_all_that_can_be_stepped_over_is_found_at_once():
    found = problems_of("a: ${X}\nb: ${Y} ${X}\na: 2\n")
    assert [each.code for each in found] == [
        Code.MISSING_VARIABLE,
        Code.MISSING_VARIABLE,
        Code.MISSING_VARIABLE,
        Code.YAML_DUPLICATE_KEY,
    ]


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    def only(name, content=None):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        document, (found,) = read_file(str(file), Environment())
        assert document is None
        assert found.code == Code.FILE_UNREADABLE
        return found

    assert "No such file" in only("missing.yaml").message
    assert (only("latin.yaml", b"a: 1\nb: \xe4\n").line, only("latin.yaml").column) == (2, 4)
    assert only("utf16.yaml", "a: 1".encode("utf-16")).line == 1
    monkeypatch.setattr(reader, "MAX_BYTES", 3)
    assert "larger" in only("large.yaml", b"a: 1").message


def test_a_byte_order_mark_and_windows_line_ends(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n")
    document, problems = read_file(str(file), Environment())
    assert problems == []
    assert document.data == {"a": 1, "b": {"c": "x"}}
    assert document.position(("b", "c")) == Place(str(file), 3, 6)


def test_every_sample_of_yaml_in_the_repository_can_be_read():
    root = Path(__file__).parents[3]
    for file in itertools.chain(root.glob("configs/**/*.yaml"), root.glob("example-config.yaml")):
        assert read_file(str(file), Environment())[1] == []


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12).filter(
    lambda text: (
        text != "<<" and "${" not in text and not text.startswith(tuple("+-.0123456789"))
    )  # YAML 1.1 differs
)
KEYS = st.text("abcdefghij_.-", min_size=1, max_size=6).filter(
    lambda text: text[0] not in ".-" and yaml.safe_load(text) == text
)
LEAVES = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | TEXT
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
DOCUMENTS = st.dictionaries(KEYS, TREES, min_size=1, max_size=5)


def paths(data, path=()):
    yield path, data
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in pairs:
        yield from paths(value, (*path, step))


@given(data=DOCUMENTS, flow=st.sampled_from([True, False, None]), fast=st.booleans())
def test_data_is_what_safe_load_reads(data, flow, fast):
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    assert data_of(text, LOADER if fast else SlowLoader) == yaml.safe_load(text) == data


PLANE = st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs",))  # JSON's surrogate pairs are no YAML
JSON_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(PLANE, max_size=12).filter(lambda text: "${" not in text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(
    data=st.dictionaries(KEYS, JSON_TREES, min_size=1, max_size=5),
    indent=st.sampled_from([None, 2]),
    fast=st.booleans(),
)
def test_positions_point_at_the_text(data, indent, fast):
    text = json.dumps(data, indent=indent, ensure_ascii=True)
    document, problems = read_text("f", text, Environment(), loader=LOADER if fast else SlowLoader)
    assert problems == []
    lines = text.split("\n")
    for path, value in paths(document.data):
        place = document.position(path)
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value
        if path and isinstance(path[-1], str):
            at_key = document.position(path, key=True)
            assert lines[at_key.line - 1][at_key.column - 1 :].startswith(json.dumps(path[-1]))


@given(st.text(max_size=60) | st.text("ab:-{}[]&*!|>'\"%@`#,? \n\t<$", max_size=40))
def test_no_text_makes_it_fail(text):
    document, problems = read_text("f", text, Environment())
    assert (document is None) <= bool(problems)
    for each in problems:
        assert each.line >= 1
        assert each.column >= 1
    if document is not None:
        for path, _ in paths(document.data):
            document.position(path)
