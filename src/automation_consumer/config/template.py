"""One template: compiled once, rendered per run, never rendered twice.

A template is Jinja in a sandbox (see `template_sandbox`) plus `$secret:NAME`. Only the configuration's own text is
ever read as a template, or as the name of a secret; a value from an incident is data, whatever it looks like.
The scope of a rendering is a mapping of names to plain data (mappings, lists, texts, numbers, booleans).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import jinja2
from jinja2 import meta, nodes

from automation_consumer.config.secrets import REFERENCE
from automation_consumer.config.shell_text import ShellText, Within
from automation_consumer.config.suggest import did_you_mean
from automation_consumer.config.template_sandbox import MAX_OUTPUT, SECRET_FILTER, SecretContext, sandbox
from automation_consumer.errors import TemplateError
from automation_consumer.plugin.params import Escaping

Scope: TypeAlias = Mapping[str, Any]
Secret: TypeAlias = Callable[[str], str]

_MARKS = ("{{", "{%", "{#", "$secret:")
_MAX_TEXT = 1 << 20
_STATEMENTS = (nodes.Output, nodes.For, nodes.If, nodes.Assign, nodes.AssignBlock, nodes.With)
_RENDER_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_OUTCOME = "outcome__"


class Template:
    """One text. `names`: what it looks up in the scope; `secrets`: the secrets that it refers to."""

    __slots__ = ("_code", "_escaping", "_tree", "is_literal", "names", "secrets", "text")

    def __init__(self, text: str, escaping: Escaping) -> None:
        self.text = text
        self.is_literal = not any(mark in text for mark in _MARKS)
        """No template syntax: it renders to itself."""
        self.names: frozenset[str] = frozenset()
        self.secrets: frozenset[str] = frozenset()
        self._escaping = escaping
        self._tree: nodes.Template | None = None
        self._code: jinja2.Template | None = None
        if not self.is_literal:
            self._tree, self.names = _parse(text, escaping)
            self.secrets = frozenset(_take_secrets(self._tree, sandbox(escaping)))
            if escaping is Escaping.SHELL:
                _check_shell(self._tree)

    @staticmethod
    def compile(text: str, escaping: Escaping = Escaping.NONE) -> Template:
        """The template of a text. TemplateError, with the line within the text, when it is none."""
        return _template(text, escaping)

    def render(self, scope: Scope, secret: Secret) -> str:
        """The text for a scope. TemplateError when a name is missing, an operation fails, or it gets too long
        (1 MiB); what `secret` raises passes through."""
        if self.is_literal:
            return self.text
        if self._code is None:
            self._code = _compile(self._tree, self._escaping)
        context = _context(self._code, scope, secret)
        parts: list[str] = []
        size = 0
        try:
            for part in self._code.root_render_func(context):
                size += len(part)
                if size > MAX_OUTPUT:
                    raise TemplateError(f"it renders to more than {MAX_OUTPUT} characters")
                parts.append(part)
        except _RENDER_ERRORS as error:
            raise _render_error(error, self.names, scope) from error
        return "".join(parts)


class Expression:
    """A condition in template language, as in `when`: true or false for a scope."""

    __slots__ = ("_code", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        inner = text.strip()
        if inner.startswith("{{") and inner.endswith("}}"):
            inner = inner[2:-2].strip()
        tree, names = _parse(f"{{% set {_OUTCOME} = {inner}\n%}}", Escaping.NONE)
        if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Assign):
            raise TemplateError("one expression must stand here, such as severity == 'critical'")
        self.names = names
        self._code = _compile(tree, Escaping.NONE)

    @staticmethod
    def compile(text: str) -> Expression:
        """The expression of a text, with or without `{{ }}` around it. TemplateError when it is none."""
        return Expression(text)

    def test(self, scope: Scope) -> bool:
        """Whether it is true; the text `false` (in any case) counts as false. TemplateError when a name is missing."""
        context = _context(self._code, scope, _no_secret)
        try:
            for _ in self._code.root_render_func(context):
                pass
            outcome = context.vars[_OUTCOME]
            return bool(outcome) and not (isinstance(outcome, str) and outcome.strip().lower() == "false")
        except _RENDER_ERRORS as error:
            raise _render_error(error, self.names, scope) from error


@functools.lru_cache(maxsize=16_384)
def _template(text: str, escaping: Escaping) -> Template:
    return Template(text, escaping)


def _parse(text: str, escaping: Escaping) -> tuple[nodes.Template, frozenset[str]]:
    if len(text) > _MAX_TEXT:
        raise TemplateError(f"a template may have {_MAX_TEXT} characters, this has {len(text)}")
    environment = sandbox(escaping)
    try:
        tree = environment.parse(text)
        _check_nodes(tree, environment)
        return tree, _names(tree)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise TemplateError("it is nested too deeply") from error


def _names(tree: nodes.Template) -> frozenset[str]:
    """The names that come from the scope. Jinja's own way compiles the template, so it is left to those that set names."""
    found = list(tree.find_all(nodes.Name))
    if any(name.ctx != "load" for name in found):
        return frozenset(meta.find_undeclared_variables(tree))
    return frozenset(name.name for name in found)


def _check_nodes(tree: nodes.Template, environment: jinja2.Environment) -> None:
    """TemplateError for what parses, but cannot work here."""
    for node in tree.find_all((nodes.Stmt, nodes.Call, nodes.Filter, nodes.Test, nodes.Const)):
        wrong = _wrong_with(node, environment)
        if wrong:
            raise TemplateError(f"line {node.lineno}: {wrong}")


def _wrong_with(node: nodes.Node, environment: jinja2.Environment) -> str | None:
    match node:
        case nodes.Call():
            return "a template cannot call functions or methods; use a filter, as in {{ host | upper }}"
        case nodes.Filter() if node.name not in environment.filters:
            return f"there is no filter {node.name!r}{did_you_mean(node.name, environment.filters)}"
        case nodes.Test() if node.name not in environment.tests:
            return f"there is no test {node.name!r}{did_you_mean(node.name, environment.tests)}"
        case nodes.Const() if isinstance(node.value, str) and "$secret:" in node.value:
            return "$secret: stands in the text outside of {{ }}"
        case nodes.Stmt() if not isinstance(node, _STATEMENTS):
            return f"the statement {type(node).__name__.lower()!r} is not available in a template"
    return None


def _take_secrets(tree: nodes.Template, environment: jinja2.Environment) -> Iterator[str]:
    """Turn every `$secret:NAME` of the template's own text into a lookup, and name it."""
    for output in tree.find_all(nodes.Output):
        children: list[nodes.Expr] = []
        for child in output.nodes:
            if not isinstance(child, nodes.TemplateData) or "$secret:" not in child.data:
                children.append(child)
                continue
            texts = REFERENCE.split(child.data)
            if any("$secret:" in text for text in texts[::2]):
                raise TemplateError(f"line {child.lineno}: $secret: is not followed by a secret's name")
            for at, text in enumerate(texts):
                children.append(_secret(text, environment) if at % 2 else nodes.TemplateData(text))
            yield from texts[1::2]
        output.nodes = children


def _secret(name: str, environment: jinja2.Environment) -> nodes.Filter:
    node = nodes.Filter(nodes.Const(name), SECRET_FILTER, [], [], None, None)
    node.set_environment(environment)
    return node.set_lineno(1)  # type: ignore[return-value]


def _check_shell(tree: nodes.Template) -> None:
    """TemplateError when a value would stand where its quotes do not protect it."""
    script = ShellText()
    for output in tree.find_all(nodes.Output):
        for child in output.nodes:
            if isinstance(child, nodes.TemplateData):
                script.read(child.data)
            elif script.within is Within.WORDS:
                script.read_value()
            elif not (isinstance(child, nodes.Filter) and child.name == SECRET_FILTER):
                raise TemplateError(
                    f"line {child.lineno}: a value stands within {script.within.value}; it is quoted by itself, "
                    "as one word, so it must stand outside of quotes, comments and here-documents"
                )


def _compile(tree: nodes.Template | None, escaping: Escaping) -> jinja2.Template:
    environment = sandbox(escaping)
    assert tree is not None
    try:
        code = environment.compile(tree)
    except (jinja2.TemplateSyntaxError, RecursionError) as error:
        raise TemplateError(str(error)) from error
    return environment.template_class.from_code(environment, code, {}, None)


def _context(code: jinja2.Template, scope: Scope, secret: Secret) -> SecretContext:
    context = code.new_context(scope, shared=True)  # type: ignore[arg-type]  # any mapping is looked up in
    assert isinstance(context, SecretContext)
    context.secret = secret
    return context


def _no_secret(name: str) -> str:
    raise TemplateError(f"a secret ({name}) cannot stand in an expression")


def _render_error(error: BaseException, names: frozenset[str], scope: Scope) -> TemplateError:
    missing = sorted(name for name in names if name not in scope)
    if missing and isinstance(error, jinja2.UndefinedError):
        listed = ", ".join(f"{name!r}{did_you_mean(name, scope)}" for name in missing)
        return TemplateError(
            f"this incident has no {listed}", hint="give a default: {{ name | default('…') }}"
        )
    return TemplateError(f"{error}")
