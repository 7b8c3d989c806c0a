"""docs/reliability.md, from results.json: what was seen last of each scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from tests.breaks.catalogue import BREAKS, PROMISES
from tests.chaos.results import load

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

HEAD = """# Reliability

<!-- Written by `python -m tests.chaos page` from tests/chaos/results.json; do not edit. -->

What was done to the service on purpose, and what became of the incidents. Each row is one run of a scenario of
`make chaos` on a real Apache Kafka and, where it says so, a real PostgreSQL; the target is a stand-in Screwdriver that
counts what is started. Every incident has four alerts; every fifth comes three times: new, the same once more, changed.

- *lost*: an (incident, alert, action) that did not end in the journal as it should, or a job that was never started.
- *twice*: a job started twice, under one run key or under two.
- *order*: an incident whose change began before its first jobs had ended.

| what was done to it | how often | messages | runs | jobs | lost | twice | order | result |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""

PROMISES_HEAD = """
## The promises, and what happens to a test when one is broken

`make breaks` breaks the code in these ways, one after the other, in a copy; each time the named test must turn red.

| promise | the code is broken so that | this test turns red |
| --- | --- | --- |
"""


def write(names: Sequence[str], path: Path = PAGE) -> None:
    """Write the page. A scenario that has only been played in its short form shows that one."""
    rows = load()
    shown = [row for name in names if (row := rows.get(name) or rows.get(f"{name} short")) is not None]
    path.write_text(
        HEAD
        + "".join(map(_line, shown))
        + "\n## What else was seen\n\n"
        + "".join(map(_facts, shown))
        + _promises()
    )


def _line(row: dict[str, Any]) -> str:
    bad = row["lost"] or row["twice"] or row["disordered"] or row["broken"]
    counts = (row[name] for name in ("faults", "messages", "runs", "jobs", "lost", "twice", "disordered"))
    cells = [row["what"], *(f"{count:,}" for count in counts), "**broken**" if bad else "kept"]
    return f"| {' | '.join(cells)} |\n"


def _facts(row: dict[str, Any]) -> str:
    facts = {"took": f"{row['seconds']:.0f} s", "seed": row["seed"], **row["facts"]}
    statuses = facts.pop("statuses")
    facts["runs ended"] = ", ".join(f"{count:,} {status}" for status, count in sorted(statuses.items()))
    told = "; ".join(f"{name}: {value}" for name, value in facts.items())
    form = f"{row['name']}, short form" if row["short"] else row["name"]
    lines = [f"- `{form}`: {told}.", *(f"  - {line}" for line in row["broken"])]
    return "".join(f"{fill(line, 118, subsequent_indent='    ')}\n" for line in lines)


def _promises() -> str:
    """Which break of the code turns which test red."""
    rows = [
        f"| {each.promise} | {each.what} | `{each.test.rpartition('/')[2]}` |\n"
        for promise in PROMISES
        for each in BREAKS
        if each.promise == promise
    ]
    return PROMISES_HEAD + "".join(rows)
