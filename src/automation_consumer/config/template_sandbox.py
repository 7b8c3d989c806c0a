"""The Jinja environment that templates live in: plain data, no calls, no loader, no way to make much of little.

What `{{ }}` prints passes `printed`: it is quoted by the field's escaping, so that a value from an incident stays data.
"""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, StrictUndefined, Undefined
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.filters import FILTERS, do_map
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from automation_consumer.plugin.params import Escaping

SECRET_FILTER = " secret"  # noqa: S105 (a name that no template can write)
MAX_OUTPUT = 1 << 20  # characters

_INTEGER_BITS = 4096
_KEPT_FILTERS = (
    *(
        "abs",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "first",
        "float",
        "int",
        "items",
        "join",
        "last",
    ),
    *(
        "length",
        "list",
        "lower",
        "max",
        "min",
        "reject",
        "rejectattr",
        "reverse",
        "round",
        "select",
        "selectattr",
    ),
    *("sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper"),
)


class Quoted(str):
    """Text that a filter has quoted already; `printed` does not quote it again for the same escaping."""

    escaping: Escaping

    @classmethod
    def of(cls, text: str, escaping: Escaping) -> Quoted:
        quoted = cls(text)
        quoted.escaping = escaping
        return quoted


class Verbatim(str):
    """A secret's value, which stands in the configuration's own text and is not quoted."""

    __slots__ = ()


class SecretContext(Context):
    """A rendering: its scope, and how the secrets of the template's own text are resolved."""

    secret: Callable[[str], str]


def plain_text(value: Any) -> str:
    """A value as a template prints it: booleans, lists and mappings as JSON, None not at all."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        raise UndefinedError("a value is null, which has no text; give one with | default('…', true)")
    if isinstance(value, (bool, Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=plain_text)
    return str(value)


def shell_word(value: Any) -> Quoted:
    """One quoted word of a POSIX shell."""
    text = plain_text(value)
    if "\0" in text:
        raise SecurityError("a NUL character cannot stand in a shell word")
    return Quoted.of(shlex.quote(text), Escaping.SHELL)


def slack_text(value: Any) -> Quoted:
    """Text that Slack shows as it is: it cannot ping anyone, or link."""
    text = plain_text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Quoted.of(text, Escaping.SLACK)


def url_text(value: Any) -> Quoted:
    """Percent-encoded, slashes, too; a mapping becomes a query."""
    if isinstance(value, Mapping):
        return Quoted.of(urlencode({key: plain_text(each) for key, each in value.items()}), Escaping.URL)
    return Quoted.of(quote(plain_text(value), safe=""), Escaping.URL)


_QUOTES: dict[Escaping, Callable[[Any], str]] = {
    Escaping.NONE: plain_text,
    Escaping.URL: url_text,
    Escaping.SHELL: shell_word,
    Escaping.SLACK: slack_text,
}


def printed(value: Any, escaping: Escaping) -> str:
    """What `{{ value }}` puts into a field of that escaping. UndefinedError when there is no value."""
    if isinstance(value, Verbatim) or (isinstance(value, Quoted) and value.escaping is escaping):
        return str(value)
    if isinstance(value, Undefined):
        return str(value)  # raises
    return str(_QUOTES[escaping](value))


@pass_context
def _resolve_secret(context: SecretContext, name: str) -> Verbatim:
    return Verbatim(context.secret(name))


@pass_context
def _map_attribute(context: Context, values: Any, *, attribute: str, default: Any = None) -> Any:
    """Jinja's `map`, for attributes only: by the name of a filter it would reach those that no template can write."""
    options = {"attribute": attribute} if default is None else {"attribute": attribute, "default": default}
    return do_map(context, values, **options)


def _replace(text: Any, old: str, new: str) -> str:
    source = plain_text(text)
    if len(source) + source.count(old) * len(new) > MAX_OUTPUT:
        raise SecurityError(f"replace makes a text of more than {MAX_OUTPUT} characters")
    return source.replace(old, new)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without globals, calls and loader, with the filters of this module. Values are plain data."""

    context_class = SecretContext
    intercepted_binops = frozenset({"**", "*", "%"})

    def __init__(self, escaping: Escaping) -> None:
        super().__init__(
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            finalize=functools.partial(printed, escaping=escaping),
        )
        self.globals.clear()
        self.filters = {name: FILTERS[name] for name in _KEPT_FILTERS} | {
            "map": _map_attribute,
            "replace": _replace,
            "shq": shell_word,
            "slack": slack_text,
            "urlencode": url_text,
            SECRET_FILTER: _resolve_secret,
        }

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "**" or not numbers or _bits(left) + _bits(right) > _INTEGER_BITS:
            raise SecurityError(f"the operator {operator} is not for these values in a template")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, (Undefined, LoopContext)):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return super().getitem(obj, argument)
        if isinstance(obj, (Mapping, Sequence)):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self.undefined(obj=obj, name=argument)


def _bits(value: float) -> int:
    return value.bit_length() if isinstance(value, int) else 0


@functools.cache
def sandbox(escaping: Escaping) -> Environment:
    """The environment for fields of that escaping. Thread-safe once made."""
    return Sandbox(escaping)
