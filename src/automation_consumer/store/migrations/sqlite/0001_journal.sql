-- Runs, one row each; a final status is only ever written over an open one.
CREATE TABLE runs (
    id             TEXT PRIMARY KEY,
    status         TEXT NOT NULL,
    incident_id    TEXT NOT NULL,
    alert_id       TEXT,
    condition      TEXT NOT NULL,
    phase          TEXT NOT NULL,
    action         TEXT NOT NULL,
    action_type    TEXT NOT NULL,
    subject        TEXT NOT NULL,
    digest         TEXT NOT NULL,
    target         TEXT NOT NULL,
    rule           TEXT NOT NULL,
    config_version TEXT NOT NULL,
    topic          TEXT NOT NULL,
    "partition"    INTEGER NOT NULL,
    "offset"       INTEGER NOT NULL,
    params         TEXT NOT NULL,
    created_at     REAL NOT NULL,
    attempt        INTEGER NOT NULL,
    next_at        REAL,
    ended_at       REAL,
    handle         TEXT,
    url            TEXT,
    reason         TEXT NOT NULL,
    output         TEXT,
    data           TEXT NOT NULL,
    deadline_at    REAL,
    live           INTEGER NOT NULL DEFAULT 1   -- 0: of an earlier activation of its incident
) WITHOUT ROWID;
CREATE INDEX runs_incident ON runs (incident_id, created_at);
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_open ON runs (created_at) WHERE status IN ('running', 'waiting', 'retrying');
CREATE INDEX runs_target ON runs (action, target, ended_at) WHERE status = 'succeeded';

-- Every state change of a run.
CREATE TABLE run_changes (
    run_id TEXT NOT NULL,
    at     REAL NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX run_changes_run ON run_changes (run_id);

-- Incidents that have runs and are no longer active.
CREATE TABLE inactive_incidents (incident_id TEXT PRIMARY KEY) WITHOUT ROWID;
