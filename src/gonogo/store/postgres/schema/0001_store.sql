-- The store on PostgreSQL: the tables of store/migrations, with keys that begin with the shard.
-- Plain SQL: no extension, no sequence; one trigger, on the ledger (0021). Ids are hashes of what they
-- stand for, so that no writer waits for another to be given one. docs/scale.md lists the shards.
-- Units as in store/migrations: epoch milliseconds, micro-dollars, microseconds, 1e-6.

-- A write is alone in its shard while it holds the shard's row.
CREATE TABLE shard_lock (
  shard TEXT PRIMARY KEY
);

-- Who may do a duty of `watch`, until when. `epoch` grows with every change of hands.
CREATE TABLE lease (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);

-- A dictionary, sharded by itself: `id` is the hash of the text, rows are never changed or removed.
CREATE TABLE name (
  id BIGINT PRIMARY KEY,
  text TEXT COLLATE "C" NOT NULL
);
CREATE INDEX name_by_text ON name (text);

CREATE TABLE dependency (
  id BIGINT PRIMARY KEY, -- the hash of the name
  name TEXT COLLATE "C" NOT NULL,
  kind TEXT CHECK (kind IN ('model', 'skill', 'tool', 'api', 'prompt')),
  provider TEXT,
  rev BIGINT NOT NULL DEFAULT 0,
  history_rev BIGINT NOT NULL DEFAULT 0,
  n BIGINT NOT NULL DEFAULT 0,
  first_ts_ms BIGINT NOT NULL,
  newest_ts_ms BIGINT NOT NULL,
  rule TEXT NOT NULL, -- JSON
  embedding_size INTEGER
);
CREATE INDEX dependency_by_name ON dependency (name);

CREATE TABLE dependency_version (
  dependency_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL, -- 0: none stated
  n BIGINT NOT NULL,
  first_ts_ms BIGINT NOT NULL,
  newest_ts_ms BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, version_id)
);

CREATE TABLE cardinality (
  dependency_id BIGINT NOT NULL,
  field TEXT NOT NULL,
  values_seen INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, field)
);

CREATE TABLE cardinality_value (
  dependency_id BIGINT NOT NULL,
  field TEXT NOT NULL,
  value_id BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, field, value_id)
);

CREATE TABLE observation (
  dependency_id BIGINT NOT NULL,
  ts_ms BIGINT NOT NULL,
  seq INTEGER NOT NULL,
  version_id BIGINT NOT NULL, -- 0: none stated
  item_id BIGINT,
  outcome_e6 INTEGER CHECK (outcome_e6 BETWEEN 0 AND 1000000),
  outcome_lag_ms BIGINT,
  error_id BIGINT,
  confidence_e6 INTEGER CHECK (confidence_e6 BETWEEN 0 AND 1000000),
  latency_us BIGINT CHECK (latency_us >= 0),
  cost_micro_usd BIGINT CHECK (cost_micro_usd BETWEEN 0 AND 1000000000000000),
  input_tokens BIGINT CHECK (input_tokens >= 0),
  output_tokens BIGINT CHECK (output_tokens >= 0),
  segments TEXT, -- JSON array: name ids, or `key=value` where the key is not rolled up
  budget_id BIGINT,
  reservation TEXT,
  prediction_id BIGINT,
  label_id BIGINT,
  input_hash BIGINT,
  output_hash BIGINT,
  metrics TEXT, -- JSON object, keys sorted
  output TEXT,
  PRIMARY KEY (dependency_id, ts_ms, seq)
);

CREATE TABLE observation_id (
  dependency_id BIGINT NOT NULL,
  id BYTEA NOT NULL,
  ts_ms BIGINT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, id)
);

CREATE TABLE dependency_metric (
  dependency_id BIGINT NOT NULL,
  metric TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (dependency_id, metric)
);

CREATE TABLE series (
  id BIGINT NOT NULL, -- the hash of the rest
  dependency_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  golden INTEGER NOT NULL CHECK (golden IN (0, 1)),
  segment_id BIGINT NOT NULL, -- 0: the whole
  PRIMARY KEY (dependency_id, golden, segment_id, version_id)
);

CREATE TABLE rollup (
  dependency_id BIGINT NOT NULL,
  series_id BIGINT NOT NULL,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket BIGINT NOT NULL,
  n BIGINT NOT NULL,
  errors BIGINT NOT NULL,
  timed BIGINT NOT NULL,
  slo_met BIGINT NOT NULL,
  labels BIGINT NOT NULL,
  outcome_sum BIGINT NOT NULL,
  good BIGINT NOT NULL,
  ok BIGINT NOT NULL,
  ok_labels BIGINT NOT NULL,
  ok_good BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, series_id, daily, bucket)
);

CREATE TABLE histogram (
  dependency_id BIGINT NOT NULL,
  series_id BIGINT NOT NULL,
  metric_id BIGINT NOT NULL,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket BIGINT NOT NULL,
  n BIGINT NOT NULL,
  sum BIGINT NOT NULL,
  lowest INTEGER NOT NULL,
  bins BYTEA NOT NULL,
  PRIMARY KEY (dependency_id, series_id, metric_id, daily, bucket)
);

CREATE TABLE category (
  dependency_id BIGINT NOT NULL,
  series_id BIGINT NOT NULL,
  field TEXT NOT NULL CHECK (field IN ('error', 'prediction')),
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket BIGINT NOT NULL,
  value_id BIGINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, series_id, field, daily, bucket, value_id)
);

CREATE TABLE golden_answer (
  dependency_id BIGINT NOT NULL,
  item_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  n BIGINT NOT NULL,
  outcome_sum BIGINT NOT NULL, -- 1e-6
  PRIMARY KEY (dependency_id, version_id, day, item_id)
);

CREATE TABLE answer (
  dependency_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  input_hash BIGINT NOT NULL,
  output_hash BIGINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, version_id, input_hash, output_hash)
);

CREATE TABLE answer_day (
  dependency_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  input_hash BIGINT NOT NULL,
  output_hash BIGINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, version_id, day, input_hash, output_hash)
);

CREATE TABLE output_sample (
  dependency_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  hash BIGINT NOT NULL,
  features BYTEA NOT NULL,
  embedded INTEGER NOT NULL DEFAULT 1 CHECK (embedded IN (0, 1)),
  PRIMARY KEY (dependency_id, version_id, day, hash)
);

CREATE TABLE state_cache (
  dependency_id BIGINT NOT NULL,
  key TEXT NOT NULL,
  hour BIGINT NOT NULL,
  state BYTEA NOT NULL,
  PRIMARY KEY (dependency_id, key)
);

CREATE TABLE kept_score (
  dependency_id BIGINT PRIMARY KEY,
  ts_ms BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  score_e6 INTEGER NOT NULL,
  lower_e6 INTEGER NOT NULL,
  upper_e6 INTEGER NOT NULL,
  earlier_verdict TEXT,
  earlier_score_e6 INTEGER
);
CREATE INDEX kept_score_by_lower ON kept_score (lower_e6);

-- What `gonogo migrate-store` has brought over: a part is here with its rows, or not at all.
CREATE TABLE moved (
  source TEXT NOT NULL, -- a hash of the file's place
  part TEXT NOT NULL, -- a dependency; '/money', '/actions'; '/' once all was
  state TEXT NOT NULL, -- what the part looked like in the file
  row_count BIGINT NOT NULL,
  PRIMARY KEY (source, part)
);
