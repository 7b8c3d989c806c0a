"""Writes the generated pages into a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from automation_consumer.cli.reference.pages import pages


def main(folder: Path) -> None:
    """Write every page; a page that is right already is left alone."""
    for name, text in pages().items():
        file = folder / name
        if file.exists() and file.read_text("utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        print(f"wrote {file}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m automation_consumer.cli.reference FOLDER")
    main(Path(sys.argv[1]))
