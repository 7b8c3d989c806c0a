"""Links lead somewhere, and every page can be reached from the README."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import ROOT, anchors, links, name, pages


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme():
    reached: set[Path] = set()
    queue = [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if "://" not in link and target.suffix == ".md":
                queue.append(target)
    missing = {each for each in pages() if each.is_relative_to(ROOT / "docs")} - reached
    assert not {name(each) for each in missing} - {"docs/README.md", "docs/performance.md"}


@pytest.mark.parametrize("page", pages(), ids=name)
def test_lines_can_be_read_in_a_terminal(page: Path):
    if "Generated from the code" in page.read_text("utf-8"):
        return
    long = [line for line in page.read_text("utf-8").splitlines() if len(line) > 130 and "|" not in line]
    assert long == []
