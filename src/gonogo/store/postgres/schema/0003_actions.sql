-- Decisions and their audit chain, routes and the plans that change them, incidents.
-- What is of a dependency is in its shard; the log is sharded by entry; the chain is one shard,
-- since it is one order.

CREATE TABLE decision (
  id TEXT COLLATE "C" PRIMARY KEY,
  ts_ms BIGINT NOT NULL,
  last_ts_ms BIGINT NOT NULL,
  count BIGINT NOT NULL DEFAULT 1,
  kind TEXT NOT NULL,
  verdict TEXT CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  summary TEXT NOT NULL,
  inputs TEXT NOT NULL, -- JSON
  answer TEXT NOT NULL, -- JSON
  action INTEGER NOT NULL CHECK (action IN (0, 1)),
  dependency TEXT COLLATE "C",
  budget TEXT,
  confidence DOUBLE PRECISION,
  e_value DOUBLE PRECISION,
  versions TEXT NOT NULL, -- JSON array
  actor TEXT NOT NULL,
  settings_digest TEXT NOT NULL,
  stream BYTEA NOT NULL,
  digest BYTEA NOT NULL
);
CREATE INDEX decision_by_time ON decision (last_ts_ms);
CREATE INDEX decision_by_dependency ON decision (dependency, last_ts_ms);
CREATE INDEX decision_by_stream ON decision (stream, last_ts_ms);

CREATE TABLE decision_repeat (
  id TEXT COLLATE "C" PRIMARY KEY,
  decision_id TEXT COLLATE "C" NOT NULL REFERENCES decision ON DELETE CASCADE
);
CREATE INDEX decision_repeat_by_decision ON decision_repeat (decision_id);

CREATE TABLE last_verdict (
  dependency TEXT COLLATE "C" PRIMARY KEY,
  verdict TEXT NOT NULL CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  ts_ms BIGINT NOT NULL
);

CREATE TABLE audit (
  seq BIGINT PRIMARY KEY,
  decision_id TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES decision,
  previous_hash BYTEA NOT NULL CHECK (length(previous_hash) = 32),
  hash BYTEA NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE route (
  dependency TEXT COLLATE "C" PRIMARY KEY,
  targets TEXT NOT NULL, -- JSON array of [target, share]
  epoch BIGINT NOT NULL,
  version BIGINT NOT NULL,
  salt TEXT NOT NULL,
  why TEXT NOT NULL,
  changed_ms BIGINT NOT NULL,
  expires_ms BIGINT,
  held TEXT,
  incident_id TEXT,
  audit_id TEXT,
  held_until_ms BIGINT,
  renewals INTEGER NOT NULL DEFAULT 0,
  recovery TEXT -- JSON
);

CREATE TABLE route_switch (
  dependency TEXT COLLATE "C" NOT NULL,
  epoch BIGINT NOT NULL,
  ts_ms BIGINT NOT NULL,
  audit_id TEXT NOT NULL,
  undo INTEGER NOT NULL CHECK (undo IN (0, 1)),
  stage INTEGER NOT NULL DEFAULT 0 CHECK (stage IN (0, 1)),
  PRIMARY KEY (dependency, epoch)
);

CREATE TABLE plan (
  id TEXT COLLATE "C" NOT NULL,
  dependency TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planned', 'begun', 'done')),
  route_version BIGINT NOT NULL,
  body TEXT NOT NULL, -- JSON
  idempotency_key TEXT,
  undoes TEXT, -- audit id
  audit_id TEXT,
  epoch BIGINT,
  result TEXT, -- JSON
  PRIMARY KEY (dependency, id),
  UNIQUE (dependency, undoes),
  UNIQUE (dependency, audit_id),
  UNIQUE (dependency, idempotency_key)
);
CREATE INDEX plan_by_id ON plan (id);
CREATE INDEX plan_by_state ON plan (state, dependency);

CREATE TABLE incident (
  id TEXT COLLATE "C" PRIMARY KEY,
  dependency TEXT COLLATE "C" NOT NULL,
  cause TEXT NOT NULL,
  status TEXT NOT NULL
    CHECK (status IN ('open', 'acknowledged', 'mitigated', 'recovering', 'resolved')),
  opened_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  onset_ms BIGINT,
  why TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  false_alarm INTEGER NOT NULL DEFAULT 0 CHECK (false_alarm IN (0, 1)),
  bad_signals TEXT NOT NULL, -- JSON array
  well_since_ms BIGINT
);
CREATE UNIQUE INDEX incident_unresolved ON incident (dependency, cause) WHERE status <> 'resolved';
CREATE INDEX incident_by_time ON incident (opened_ms);

CREATE TABLE incident_event (
  incident_id TEXT COLLATE "C" NOT NULL REFERENCES incident,
  seq BIGINT NOT NULL,
  ts_ms BIGINT NOT NULL,
  event TEXT NOT NULL,
  actor TEXT NOT NULL,
  decision_id TEXT,
  PRIMARY KEY (incident_id, seq)
);

CREATE TABLE suspicion (
  dependency TEXT COLLATE "C" NOT NULL,
  cause TEXT NOT NULL,
  signal TEXT NOT NULL,
  first_ms BIGINT NOT NULL,
  PRIMARY KEY (dependency, cause, signal)
);
