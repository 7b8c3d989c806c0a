"""The only reader of YAML: one file becomes plain data, and every value knows where it stands.

The data is built from the parser's events, so that a large file costs little memory. Positions are looked up
in the tree of nodes, which is made when somebody first asks for one that was not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from yaml import MappingNode, Node, ScalarNode, SequenceNode
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from automation_consumer.config.environment import Environment
from automation_consumer.config.settings import Place

MERGE_KEY: Final = "<<"
PLAIN: Final = "?"
QUOTED: Final = "!"

Path = Sequence[str | int]


class _Unresolved:
    """Leaves scalars untyped: the node's tag only says whether the scalar was plain."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else QUOTED

    def descend_resolver(self, parent: Any, index: Any) -> None:
        """Nothing depends on where a node stands."""

    def ascend_resolver(self) -> None:
        """Nothing depends on where a node stands."""


class SlowLoader(_Unresolved, Reader, Scanner, Parser, Composer):
    """The loader in pure Python, for where PyYAML was built without libyaml."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


def _loader() -> Any:
    try:
        from yaml._yaml import CParser
    except ImportError:
        return SlowLoader

    class FastLoader(_Unresolved, CParser):
        """libyaml's parser."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)

    return FastLoader


LOADER: Final[Any] = _loader()


class Document:
    """The plain data of one file, and where each value of it stands."""

    def __init__(
        self,
        file: str,
        text: str,
        data: dict[str, Any],
        *,
        environment: Environment,
        items: dict[int, list[tuple[int, int]]],
        loader: Any = LOADER,
    ) -> None:
        self.file = file
        self.data = data
        self._text = text
        self._environment = environment
        self._items = items
        self._loader = loader
        self._root: Node | None = None

    def position(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` stands, or its key. Where there is no such value: its nearest parent."""
        if len(path) == 2 and not key and isinstance(path[1], int):
            kept = self._items.get(id(self.data.get(str(path[0]))))
            if kept is not None and path[1] < len(kept):
                return Place(self.file, *kept[path[1]])
        found, key_node, node = self._walk(path)
        empty = isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index
        at_key = key_node is not None and ((key and found) or empty)
        mark = key_node.start_mark if key_node is not None and at_key else node.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def written(self, path: Path) -> str | None:
        """The scalar at `path` as the file has it, before variables are filled in; None where there is no scalar."""
        found, _, node = self._walk(path)
        return node.value if found and isinstance(node, ScalarNode) else None

    def _walk(self, path: Path) -> tuple[bool, Node | None, Node]:
        """(whether all of the path is there, the key of the last step, the node reached)."""
        if self._root is None:
            self._root = self._loader(self._text).get_single_node()
        key_node: Node | None = None
        node: Node = self._root
        for step in path:
            child = self._child(node, step)
            if child is None:
                return False, key_node, node
            key_node, node = child
        return True, key_node, node

    def _child(self, node: Node, step: str | int) -> tuple[Node | None, Node] | None:
        if isinstance(node, SequenceNode):
            inside = isinstance(step, int) and step < len(node.value)
            return (None, node.value[step]) if inside else None
        if not isinstance(node, MappingNode):
            return None
        merged: list[Node] = []
        for key_node, value in node.value:
            if key_node.tag == PLAIN and key_node.value == MERGE_KEY:
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif self._environment.expand(key_node.value).text == step:
                return key_node, value
        for source in merged:
            found = self._child(source, step)
            if found is not None:
                return found
        return None
