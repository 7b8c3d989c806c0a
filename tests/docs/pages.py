"""The project's pages: which there are, their blocks of code, their headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

SECRETS = {
    "AUTOMATION_SECRET_SD_TOKEN": "example",
    "AUTOMATION_SECRET_SLACK_TOKEN": "example",
    "AUTOMATION_SECRET_SLACK_WEBHOOK": "http://127.0.0.1:9/hook",
    "AUTOMATION_SECRET_PAGER_TOKEN": "example",
    "AUTOMATION_SECRET_INVENTORY_TOKEN": "example",
}
"""The secrets that the examples name."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that people read, generated ones included."""
    found = [ROOT / "README.md", ROOT / "CLAUDE.md", ROOT / "CHANGELOG.md", ROOT / "playbooks" / "README.md"]
    return found + sorted((ROOT / "docs").rglob("*.md"))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> Iterator[Block]:
    """The blocks of these languages, of all pages."""
    for page in pages():
        text = page.read_text("utf-8")
        for fence in _FENCE.finditer(text):
            if fence[1] in languages:
                yield Block(name(page), text.count("\n", 0, fence.start()) + 1, fence[1], fence[2])


def block(page: str, language: str, number: int = 0) -> str:
    """One block of one page."""
    return [each.text for each in blocks(language) if each.page == page][number]


def without_code(text: str) -> str:
    return _FENCE.sub("", text)


def links(page: Path) -> list[str]:
    return _LINK.findall(without_code(page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in _HEADING.findall(without_code(page.read_text("utf-8"))):
        found.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return found
