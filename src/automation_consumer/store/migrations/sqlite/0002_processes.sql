-- works-from: 1
-- Who wrote a run, what is in hand, and what operators ask. Code of version 1 works on it: what is new has defaults.

ALTER TABLE runs ADD COLUMN owner      INTEGER NOT NULL DEFAULT 0;  -- processes.number; 0: a process of version 1
ALTER TABLE runs ADD COLUMN fence      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN request    TEXT    NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN announced  INTEGER NOT NULL DEFAULT 1;  -- 0: it has ended, and its event is not delivered
ALTER TABLE runs ADD COLUMN message_ms INTEGER;                     -- messages.timestamp_ms
CREATE INDEX runs_unannounced ON runs (ended_at) WHERE announced = 0;
CREATE INDEX runs_action ON runs (action, created_at);
CREATE INDEX runs_live ON runs (incident_id) WHERE live = 1 AND status <> 'skipped';
CREATE INDEX runs_place ON runs (topic, "partition", "offset");

-- Every process that ever had the store open. A number that is not here is that of a process that is gone.
CREATE TABLE processes (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    started_at REAL NOT NULL,
    state      TEXT NOT NULL   -- alive | suspended (its lease is over) | gone (proven)
);

-- Messages in hand, those that are finished beyond the committed offset, and those that are kept for an operator.
CREATE TABLE messages (
    topic        TEXT NOT NULL,
    "partition"  INTEGER NOT NULL,
    "offset"     INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    "key"        BLOB,
    value        BLOB,
    headers      BLOB,
    owner        INTEGER NOT NULL,
    state        TEXT NOT NULL,   -- open | finished | kept | archived (kept, and its offset is committed)
    taken_at     REAL NOT NULL,
    incidents    TEXT NOT NULL DEFAULT '',   -- of a message that waits and has no runs yet: which incidents it is about
    PRIMARY KEY (topic, "partition", "offset", timestamp_ms)
) WITHOUT ROWID;
CREATE INDEX messages_open ON messages (owner) WHERE state = 'open';
CREATE INDEX messages_waiting ON messages (owner) WHERE incidents <> '';

CREATE TABLE locks (
    name   TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    owner  INTEGER NOT NULL
) WITHOUT ROWID;

-- Pauses; they stay for the record when they are resumed.
CREATE TABLE switches (
    id         TEXT PRIMARY KEY,
    scope      TEXT NOT NULL,
    name       TEXT NOT NULL,
    who        TEXT NOT NULL,
    why        TEXT NOT NULL,
    since      REAL NOT NULL,
    until      REAL,
    resumed_by TEXT,
    resumed_at REAL
) WITHOUT ROWID;

CREATE TABLE requests (
    id          TEXT PRIMARY KEY,
    wish        TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    who         TEXT NOT NULL,
    "at"        REAL NOT NULL,
    taken_by    INTEGER,
    answer      TEXT,
    answered_at REAL
) WITHOUT ROWID;
CREATE INDEX requests_open ON requests ("at") WHERE answer IS NULL;
