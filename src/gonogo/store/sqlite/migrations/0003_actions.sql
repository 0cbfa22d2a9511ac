-- Decisions and their audit chain, routes and the plans that change them, incidents.
-- Times are epoch milliseconds; a share is a whole number of ten-thousandths.

-- A check that repeats the one before it in its `stream` (kind, subject, inputs) with the same
-- `digest` (verdict, evidence, answer without its times) raises `count` instead of adding a row.
CREATE TABLE decision (
  id TEXT PRIMARY KEY,
  ts_ms INTEGER NOT NULL,
  last_ts_ms INTEGER NOT NULL,
  count INTEGER NOT NULL DEFAULT 1,
  kind TEXT NOT NULL,
  verdict TEXT CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  summary TEXT NOT NULL,
  inputs TEXT NOT NULL, -- JSON
  answer TEXT NOT NULL, -- JSON
  action INTEGER NOT NULL CHECK (action IN (0, 1)),
  dependency TEXT,
  budget TEXT,
  confidence REAL,
  e_value REAL,
  versions TEXT NOT NULL, -- JSON array
  actor TEXT NOT NULL,
  settings_digest TEXT NOT NULL,
  stream BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT;

CREATE INDEX decision_by_time ON decision (last_ts_ms);
CREATE INDEX decision_by_dependency ON decision (dependency, last_ts_ms);
CREATE INDEX decision_baseline ON decision (dependency, last_ts_ms) WHERE kind = 'baseline';
CREATE INDEX decision_by_stream ON decision (stream, last_ts_ms);

-- The ids under which a folded check was answered.
CREATE TABLE decision_repeat (
  id TEXT PRIMARY KEY,
  decision_id TEXT NOT NULL REFERENCES decision ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX decision_repeat_by_decision ON decision_repeat (decision_id);

-- What was last said of each dependency's drift or trust, so that a list need not look it up.
CREATE TABLE last_verdict (
  dependency TEXT PRIMARY KEY,
  verdict TEXT NOT NULL CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  ts_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Actions, in order: hash = sha256(previous hash + canonical JSON of the decision). A gap in `seq`,
-- an action without a link and a link without its action are broken chains too.
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  decision_id TEXT NOT NULL UNIQUE REFERENCES decision,
  previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Where a dependency's traffic should go. `version` grows with every change, `epoch` with every
-- change of the targets: an actuator never goes back to an older epoch.
CREATE TABLE route (
  dependency TEXT PRIMARY KEY,
  targets TEXT NOT NULL, -- JSON array of [target, share]
  epoch INTEGER NOT NULL,
  version INTEGER NOT NULL,
  salt TEXT NOT NULL,
  why TEXT NOT NULL,
  changed_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  held TEXT, -- who holds it, and why
  incident_id TEXT,
  audit_id TEXT
) STRICT;

CREATE TABLE route_switch (
  dependency TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  ts_ms INTEGER NOT NULL,
  audit_id TEXT NOT NULL,
  undo INTEGER NOT NULL CHECK (undo IN (0, 1)),
  PRIMARY KEY (dependency, epoch)
) STRICT, WITHOUT ROWID;

-- `begun`: the route has changed and the actuators may or may not have; `done`: `result` is final.
CREATE TABLE plan (
  id TEXT PRIMARY KEY,
  dependency TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planned', 'begun', 'done')),
  route_version INTEGER NOT NULL, -- that it was made for
  body TEXT NOT NULL, -- JSON
  idempotency_key TEXT,
  undoes TEXT UNIQUE, -- audit id
  audit_id TEXT UNIQUE,
  epoch INTEGER,
  result TEXT -- JSON
) STRICT;

CREATE INDEX plan_by_state ON plan (state, dependency);
CREATE UNIQUE INDEX plan_by_key ON plan (dependency, idempotency_key)
  WHERE idempotency_key IS NOT NULL;

CREATE TABLE incident (
  id TEXT PRIMARY KEY,
  dependency TEXT NOT NULL,
  cause TEXT NOT NULL,
  status TEXT NOT NULL
    CHECK (status IN ('open', 'acknowledged', 'mitigated', 'recovering', 'resolved')),
  opened_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  onset_ms INTEGER,
  why TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  false_alarm INTEGER NOT NULL DEFAULT 0 CHECK (false_alarm IN (0, 1)),
  bad_signals TEXT NOT NULL, -- JSON array: who says no_go
  well_since_ms INTEGER -- since when nobody does
) STRICT;

CREATE UNIQUE INDEX incident_unresolved ON incident (dependency, cause)
  WHERE status <> 'resolved';
CREATE INDEX incident_by_time ON incident (opened_ms);

CREATE TABLE incident_event (
  incident_id TEXT NOT NULL REFERENCES incident,
  seq INTEGER NOT NULL,
  ts_ms INTEGER NOT NULL,
  event TEXT NOT NULL,
  actor TEXT NOT NULL,
  decision_id TEXT,
  PRIMARY KEY (incident_id, seq)
) STRICT, WITHOUT ROWID;

-- A first no_go that has yet to last before it opens an incident.
CREATE TABLE suspicion (
  dependency TEXT NOT NULL,
  cause TEXT NOT NULL,
  signal TEXT NOT NULL,
  first_ms INTEGER NOT NULL,
  PRIMARY KEY (dependency, cause, signal)
) STRICT, WITHOUT ROWID;
