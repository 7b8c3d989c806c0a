"""Markdown as the generated pages use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Generated from the code by `make docs`; do not edit. -->"


def page(title: str, *parts: str) -> str:
    """A generated page: its title, the note that it is generated, then the parts with a blank line between them."""
    return "\n\n".join((f"# {title}", NOTE, *(part.strip("\n") for part in parts if part.strip()))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. What would end a cell is escaped."""
    lines = [_row(head), _row("---" for _ in head), *(_row(map(_cell, row)) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """A word in code type; '' stays empty."""
    return f"`{text}`" if text else ""


def block(language: str, text: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]  # outside of code
    return "`".join(parts)
