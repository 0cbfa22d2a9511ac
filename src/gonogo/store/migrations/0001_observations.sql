-- Observations, and everything that is rolled up from them in the same transaction.
-- Times are epoch milliseconds; an hour or day bucket is whole hours or days since 1970, UTC.
-- Money is micro-dollars, latency microseconds, outcomes and confidences 1e-6: integer sums are
-- equal on every store, in any order of arrival, and after corrections.

-- Interned text: versions, error codes, categories, items, segments, metrics.
CREATE TABLE name (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;

-- `rev` grows with every change of its evidence; `dirty_from_hour` is the earliest hour changed
-- since the cached states were last dropped; `rule` digests the SLO and the quality bar that the
-- joint counts were made with.
CREATE TABLE dependency (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT CHECK (kind IN ('model', 'skill', 'tool', 'api', 'prompt')),
  provider TEXT,
  rev INTEGER NOT NULL DEFAULT 0,
  n INTEGER NOT NULL DEFAULT 0,
  first_ts_ms INTEGER NOT NULL,
  newest_ts_ms INTEGER NOT NULL,
  rule TEXT NOT NULL,
  embedding_size INTEGER
) STRICT;

CREATE TABLE dependency_version (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  version_id INTEGER NOT NULL, -- 0: none stated
  n INTEGER NOT NULL,
  first_ts_ms INTEGER NOT NULL,
  newest_ts_ms INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, version_id)
) STRICT, WITHOUT ROWID;

-- Declared segment keys of a dependency; one with too many values stops being rolled up.
CREATE TABLE segment_key (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  key TEXT NOT NULL,
  values_seen INTEGER NOT NULL,
  rolled_up INTEGER NOT NULL DEFAULT 1 CHECK (rolled_up IN (0, 1)),
  PRIMARY KEY (dependency_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE observation (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  ts_ms INTEGER NOT NULL,
  seq INTEGER NOT NULL, -- order of arrival, given under the write lock
  id BLOB, -- 16-byte hash of the caller's id
  version_id INTEGER NOT NULL DEFAULT 0,
  item_id INTEGER,
  outcome_e6 INTEGER CHECK (outcome_e6 BETWEEN 0 AND 1000000),
  outcome_ts_ms INTEGER,
  error_id INTEGER,
  confidence_e6 INTEGER CHECK (confidence_e6 BETWEEN 0 AND 1000000),
  latency_us INTEGER CHECK (latency_us >= 0),
  cost_micro_usd INTEGER CHECK (cost_micro_usd BETWEEN 0 AND 1000000000000000),
  input_tokens INTEGER CHECK (input_tokens >= 0),
  output_tokens INTEGER CHECK (output_tokens >= 0),
  budget_id INTEGER,
  reservation TEXT,
  prediction_id INTEGER,
  label_id INTEGER,
  input_hash INTEGER,
  output_hash INTEGER,
  segments TEXT, -- JSON object, keys sorted
  metrics TEXT, -- JSON object, keys sorted
  output TEXT, -- only with store_text
  PRIMARY KEY (dependency_id, ts_ms, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX observation_by_id ON observation (dependency_id, id) WHERE id IS NOT NULL;

-- One slice of a dependency's observations: version, golden or not, one declared segment or none.
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  version_id INTEGER NOT NULL,
  golden INTEGER NOT NULL CHECK (golden IN (0, 1)),
  segment_id INTEGER NOT NULL, -- 0: the whole
  UNIQUE (dependency_id, golden, segment_id, version_id)
) STRICT;

CREATE TABLE rollup (
  series_id INTEGER NOT NULL REFERENCES series,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket INTEGER NOT NULL,
  n INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  timed INTEGER NOT NULL,
  slo_met INTEGER NOT NULL,
  labels INTEGER NOT NULL,
  outcome_sum INTEGER NOT NULL,
  good INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  ok_labels INTEGER NOT NULL,
  ok_good INTEGER NOT NULL,
  PRIMARY KEY (series_id, daily, bucket)
) STRICT, WITHOUT ROWID;

-- `bins`: pairs of (bin, count), sparse and sorted; layouts in detectors/bins.py.
CREATE TABLE histogram (
  series_id INTEGER NOT NULL REFERENCES series,
  metric_id INTEGER NOT NULL,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket INTEGER NOT NULL,
  n INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  bins BLOB NOT NULL,
  PRIMARY KEY (series_id, metric_id, daily, bucket)
) STRICT, WITHOUT ROWID;

-- Counts of categorical values (error codes, predictions), at most 200 values a series and field.
CREATE TABLE category (
  series_id INTEGER NOT NULL REFERENCES series,
  field TEXT NOT NULL CHECK (field IN ('error', 'prediction')),
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket INTEGER NOT NULL,
  value_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (series_id, field, daily, bucket, value_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE golden_answer (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  item_id INTEGER NOT NULL,
  version_id INTEGER NOT NULL,
  day INTEGER NOT NULL,
  n INTEGER NOT NULL,
  outcome_sum INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, version_id, day, item_id)
) STRICT, WITHOUT ROWID;

-- The same input answered: how often with which output. Bounded to a sample of inputs by hash.
CREATE TABLE answer (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  version_id INTEGER NOT NULL,
  input_hash INTEGER NOT NULL,
  output_hash INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, version_id, input_hash, output_hash)
) STRICT, WITHOUT ROWID;

-- Features of outputs (or embeddings), the k with the smallest hash a version and day.
CREATE TABLE output_sample (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  version_id INTEGER NOT NULL,
  day INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  features BLOB NOT NULL,
  PRIMARY KEY (dependency_id, version_id, day, hash)
) STRICT, WITHOUT ROWID;

-- Throw-away: detector states. An entry at or after a changed hour is dropped.
CREATE TABLE state_cache (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  key TEXT NOT NULL,
  hour INTEGER NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (dependency_id, key)
) STRICT, WITHOUT ROWID;
