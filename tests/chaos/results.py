"""What a scenario found: rows of docs/reliability.md, kept in results.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Result:
    """One row. `lost`, `twice` and `disordered` count what must not be; `broken` says what else went wrong."""

    name: str
    what: str  # what was done to it
    faults: int  # how often
    messages: int
    runs: int
    jobs: int
    lost: int
    twice: int
    disordered: int
    seconds: float
    seed: int
    short: bool
    facts: dict[str, Any] = field(
        default_factory=dict
    )  # what else was seen, such as how long a recovery took
    broken: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.disordered or self.broken)


def load(path: Path = RESULTS) -> dict[str, Any]:
    """The rows so far, by name and form (`NAME` or `NAME short`)."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def save(result: Result, path: Path = RESULTS) -> None:
    """Put the row in place of the one before it."""
    rows = load(path)
    rows[f"{result.name} short" if result.short else result.name] = asdict(result)
    path.write_text(json.dumps(dict(sorted(rows.items())), indent=1, ensure_ascii=False) + "\n")
