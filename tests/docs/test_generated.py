"""The generated pages are those that the code makes now."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import ROOT

from automation_consumer.cli.reference.__main__ import main
from automation_consumer.cli.reference.pages import pages

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_is_not_stale(name: str):
    file = ROOT / "docs" / name
    assert file.exists(), "run `make docs`"
    assert file.read_text("utf-8") == PAGES[name], "run `make docs`"


def test_the_same_twice():
    assert pages() == PAGES


def test_writes_what_is_missing_and_leaves_the_rest(tmp_path: Path):
    main(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == set(PAGES)
    kept = tmp_path / "metrics.md"
    kept.chmod(0o444)
    before = kept.stat().st_mtime_ns
    (tmp_path / "cli.md").write_text("old")
    main(tmp_path)
    assert kept.stat().st_mtime_ns == before
    assert (tmp_path / "cli.md").read_text() == PAGES["cli.md"]
