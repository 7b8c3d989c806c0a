"""docs/performance.md, from benchmarks/results.json: what was seen last of each number."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
REMARKS = Path(__file__).with_name("remarks.md")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

Results = dict[str, list[dict[str, Any]]]

HEAD = """# Performance

<!-- Written by `make bench` from what it measured; do not edit. The remarks come from benchmarks/remarks.md. -->

Each figure is what one run of `make bench` saw, whether it reached the target or not. A ratio is of two figures of the
same run, taken in turns. `tests/integration/with-servers .venv/bin/python -m benchmarks NAME` measures one again;
without a real Kafka the embedded broker stands in, and the table says so.

| what | target | seen | reached |
| --- | --- | --- | --- |
"""


def load() -> Results:
    """The results so far."""
    found: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def save(results: Results) -> None:
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def write(results: Results, names: Sequence[str]) -> None:
    """Write the page."""
    rows = [row for name in names for row in results.get(name, [])]
    words = {True: "yes", False: "**no**", None: "-"}
    table = "".join(
        f"| {row['what']} | {row['target']} | {row['seen']} | {words[row['met']]} |\n" for row in rows
    )
    how = "".join(
        textwrap.fill(
            f"- {row['what']}: {row['note']}. {row['broker']}, {row['date']}.",
            110,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
        for row in rows
    )
    machines = "".join(f"- {each}\n" for each in dict.fromkeys(row["machine"] for row in rows))
    remarks = REMARKS.read_text()
    PAGE.write_text(f"{HEAD}{table}\n## Machine\n\n{machines}\n## How each was taken\n\n{how}\n{remarks}")
