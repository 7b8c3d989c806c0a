"""What the release with schema version 1 says to its database, word for word: it must go on working on newer schemas."""

from __future__ import annotations

COLUMNS = (
    "id", "status", "incident_id", "alert_id", "condition", "phase", "action", "action_type", "subject", "digest",
    "rule", "config_version", "topic", "partition", "offset", "created_at", "params", "attempt", "next_at", "ended_at",
    "handle", "url", "reason", "output", "data", "deadline_at", "target",
)  # fmt: skip
OPEN = "'retrying', 'running', 'waiting'"
SELECT = "SELECT " + ", ".join(f'"{name}"' for name in COLUMNS) + " FROM runs"
INSERT = (
    "INSERT OR IGNORE INTO runs ("
    + ", ".join(f'"{name}"' for name in COLUMNS)
    + ") VALUES ("
    + ", ".join("?" * len(COLUMNS))
    + ")"
)
ROW = (
    "r1", "running", "INC-1", "a1", "oozie", "alert", "rerun", "screwdriver", "s", "d", "c.yaml:1", "v1", "t", 0, 7,
    100.0, "{}", 1, None, None, None, None, "", None, "{}", None, "web1",
)  # fmt: skip

STATEMENTS: list[tuple[str, tuple[object, ...]]] = [
    ("SELECT DISTINCT incident_id FROM runs WHERE live", ()),
    ("SELECT incident_id FROM inactive_incidents", ()),
    (INSERT, ROW),
    ("INSERT INTO run_changes VALUES (?, ?, ?, ?)", ("r1", 100.0, "running", "")),
    (INSERT, ROW),
    (f"{SELECT} WHERE id = ?", ("r1",)),
    (f"UPDATE runs SET status = ?, next_at = ? WHERE id = ? AND status IN ({OPEN})", ("retrying", 5.0, "r1")),
    (f"{SELECT} WHERE status IN ({OPEN}) ORDER BY created_at", ()),
    (
        f"UPDATE runs SET status = ?, ended_at = ? WHERE id = ? AND status IN ({OPEN})",
        ("succeeded", 9.0, "r1"),
    ),
    (f"{SELECT} WHERE incident_id = ? AND live ORDER BY created_at", ("INC-1",)),
    (
        "SELECT max(ended_at) FROM runs WHERE action = ? AND target = ? AND status = 'succeeded'",
        ("rerun", "web1"),
    ),
    ("INSERT OR IGNORE INTO inactive_incidents VALUES (?)", ("INC-1",)),
    ("DELETE FROM inactive_incidents WHERE incident_id = ?", ("INC-1",)),
    (f"UPDATE runs SET live = 0 WHERE incident_id = ? AND status NOT IN ({OPEN})", ("INC-1",)),
    ("SELECT at, status, detail FROM run_changes WHERE run_id = ? ORDER BY rowid", ("r1",)),
]
