"""The templates in nested data, such as the parameters of an action."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from automation_consumer.config.problems import path_text
from automation_consumer.config.template import Scope, Secret, Template
from automation_consumer.errors import TemplateError
from automation_consumer.plugin.params import Escaping

Path: TypeAlias = tuple[str | int, ...]


class TemplateTree:
    """The templates in nested data, such as the parameters of an action. Keys are not templates."""

    __slots__ = ("_leaves", "_value", "names", "secrets")

    def __init__(self, value: Any, leaves: Mapping[Path, Template]) -> None:
        self._value = value
        self._leaves = {path: leaf for path, leaf in leaves.items() if not leaf.is_literal}
        self.names: frozenset[str] = frozenset().union(*(leaf.names for leaf in self._leaves.values()))
        self.secrets: frozenset[str] = frozenset().union(*(leaf.secrets for leaf in self._leaves.values()))

    def render(self, scope: Scope, secret: Secret) -> Any:
        """The same shape with every text rendered; the same object when there is no template in it.
        TemplateError names the path, as in `headers.X-Foo`."""
        if not self._leaves:
            return self._value
        texts: dict[Path, str] = {}
        for path, template in self._leaves.items():
            try:
                texts[path] = template.render(scope, secret)
            except TemplateError as error:
                raise TemplateError(f"{dotted(path)}: {error}") from error
        return _rebuilt(self._value, texts, ())


def compile_tree(value: Any, escaping_of: Callable[[str], Escaping]) -> TemplateTree:
    """The templates of nested data. `escaping_of` is asked by the name of the top-level field.
    TemplateError names the path of the first text that is no template."""
    leaves: dict[Path, Template] = {}
    for path, text in texts_in(value):
        try:
            leaves[path] = Template.compile(text, escaping_of(str(path[0]) if path else ""))
        except TemplateError as error:
            raise TemplateError(f"{dotted(path)}: {error}") from error
    return TemplateTree(value, leaves)


def texts_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of nested data with its path, keys left out."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts_in(each, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from texts_in(each, (*path, index))


def dotted(path: Path) -> str:
    """A path for messages: `headers.X-Foo`, `blocks[0].text`."""
    return path_text(path) or "text"


def _rebuilt(value: Any, texts: Mapping[Path, str], path: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _rebuilt(each, texts, (*path, key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rebuilt(each, texts, (*path, index)) for index, each in enumerate(value)]
    return texts.get(path, value) if isinstance(value, str) else value
