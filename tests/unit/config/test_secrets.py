"""Secrets: where they are read from, where they are named, and that they are in no text."""

import base64
import json
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from automation_consumer.config.masking import MASK, MIN_LENGTH, Masker
from automation_consumer.config.secrets import SecretStore, references, secret_names
from automation_consumer.config.settings import ActionSpec, CommonOptions, Place, Secrets
from automation_consumer.errors import SecretError
from automation_consumer.plugin import Effect, Outcome, Params, Registry, SecretName, ShortAction


def from_files(folder, **files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return SecretStore(Secrets(provider="file", path=str(folder)), {})


@pytest.mark.parametrize("name", ["sd-token", "sd.token", "SD_TOKEN"])
def test_the_environment(name):
    store = SecretStore(Secrets(), {"AUTOMATION_SECRET_SD_TOKEN": "value"})
    assert store.has(name)
    assert store.get(name) == "value"


def test_a_prefix():
    assert SecretStore(Secrets(prefix="X_"), {"X_A": "value"}).get("a") == "value"


def test_what_is_missing_is_named_without_values():
    store = SecretStore(Secrets(), {"AUTOMATION_SECRET_EMPTY": "", "AUTOMATION_SECRET_OTHER": "hunter2"})
    with pytest.raises(SecretError, match=r"AUTOMATION_SECRET_SD_TOKEN is not set") as caught:
        store.get("sd-token")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SecretError, match="is empty"):
        store.get("empty")
    assert not store.has("empty")


def test_files(tmp_path):
    store = from_files(
        tmp_path, one=b"value\n", two=b"a\nb\r\n", three=b"x\n\n", nothing=b"\n", binary=b"\xff\xfe"
    )
    assert store.get("one") == "value"
    assert store.get("two") == "a\nb"
    assert store.get("three") == "x\n"
    for name, words in (("nothing", "empty"), ("binary", "UTF-8"), ("gone", "No such file")):
        with pytest.raises(SecretError, match=words):
            store.get(name)
        assert not store.has(name)


@pytest.mark.parametrize("name", ["../one", "a/b", ".hidden", "", "a b", "a\x00", "one\n"])
def test_a_name_cannot_leave_the_folder(tmp_path, name):
    store = from_files(tmp_path, one=b"value")
    with pytest.raises(SecretError, match="not the name of a secret"):
        store.get(name)


def test_files_without_a_folder():
    settings = Secrets.model_construct(provider="file", path=None)
    with pytest.raises(SecretError, match=r"secrets\.path"):
        SecretStore(settings, {}).get("one")


def test_references_in_nested_data():
    data = {
        "a": ["$secret:one", {"b": "Bearer $secret:two-2. and $secret:three.x"}],
        "c": 5,
        "$secret:key": None,
    }
    assert references(data) == {"one", "two-2", "three.x"}


class Login(Params):
    password_secret: SecretName = Field(description="Its password.")


class Strange(Params):
    auth_secret: SecretName | None = Field(None, description="A token.")
    more: list[SecretName] = Field(default_factory=list, description="More.")
    login: Login | None = Field(None, description="A login.")
    text: str = Field("", description="A text.")


class Act(ShortAction[Strange]):
    """Acts."""

    type = "act"
    Params = Strange
    effect = Effect.READ

    def run(self, ctx, params):
        return Outcome.success()


def test_the_secrets_of_an_action():
    registry = Registry()
    registry.add(Act())
    params = {
        "auth_secret": "token",
        "more": ["a", "b"],
        "login": {"password_secret": "pw"},
        "text": "no-secret $secret:inline",
    }
    spec = ActionSpec(CommonOptions(name="x", type="act"), params, Place("f"))
    assert secret_names(spec, registry) == {"token", "a", "b", "pw", "inline"}
    assert secret_names(ActionSpec(spec.common, {}, Place("f")), registry) == set()


def test_what_was_handed_out_is_masked():
    store = SecretStore(Secrets(), {"AUTOMATION_SECRET_A": "hunter2"})
    assert store.masker.mask("x hunter2") == "x hunter2"
    store.get("a")
    assert store.masker.mask("x hunter2 y") == "x *** y"


def test_longer_values_go_first():
    masker = Masker()
    masker.add("abcd")
    masker.add("abcdefgh")
    assert masker.mask("abcdefgh abcd") == f"{MASK} {MASK}"


def test_short_values_are_left():
    masker = Masker()
    masker.add("abc")
    assert masker.mask("abc") == "abc"


def test_multi_line_values_are_masked_line_by_line():
    masker = Masker()
    masker.add("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n")
    assert "MIIE" not in masker.mask("read: MIIEvQIBADANBg")


def test_the_value_inside_a_basic_header():
    masker = Masker()
    masker.add("correct horse battery")
    for user in ("u", "us", "use", "user"):
        header = base64.b64encode(f"{user}:correct horse battery".encode()).decode()
        assert MASK in masker.mask(header)
        assert base64.b64encode(b"horse").decode()[:6] not in masker.mask(header)


@given(
    value=st.text(min_size=MIN_LENGTH, max_size=30),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
    form=st.sampled_from(
        [
            lambda text: text,
            lambda text: json.dumps(text)[1:-1],
            lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
            lambda text: quote(text.encode("utf-8", "surrogatepass"), safe=""),
            lambda text: quote_plus(text.encode("utf-8", "surrogatepass")),
            lambda text: base64.b64encode(text.encode("utf-8", "surrogatepass")).decode(),
            lambda text: base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("="),
        ]
    ),
)
def test_no_form_of_a_value_is_left(value, before, after, form):
    masker = Masker()
    masker.add(value)
    hidden = form(value)
    masked = masker.mask(f"{before}{hidden}{after}")
    assert MASK in masked
    assert masker.mask(hidden).strip("*=") == ""


def test_many_threads_add_and_mask():
    masker = Masker()
    values = [f"value-{number:04}" for number in range(200)]
    left = []

    def work(part):
        for value in part:
            masker.add(value)
            left.extend([value] if value in masker.mask(f"<{value}>") else [])

    threads = [threading.Thread(target=work, args=(values[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == []
    assert masker.mask(" ".join(values)) == " ".join([MASK] * len(values))
