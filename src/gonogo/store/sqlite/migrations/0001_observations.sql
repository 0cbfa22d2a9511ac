-- Observations, and everything that is rolled up from them in the same transaction.
-- Times are epoch milliseconds; an hour or day bucket is whole hours or days since 1970, UTC.
-- Money is micro-dollars, latency microseconds, outcomes and confidences 1e-6: integer sums are
-- equal on every store, in any order of arrival, and after corrections.

-- Interned text: versions, error codes, categories, items, segments (`key=value`), metrics.
CREATE TABLE name (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;

-- `rev` grows with every change of its evidence; `history_rev` is the last of those that reached
-- back before the newest day. `rule` holds what the joint counts were made with (latency SLO,
-- quality bar, combined segments), and they are made with it until they are rebuilt.
CREATE TABLE dependency (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT CHECK (kind IN ('model', 'skill', 'tool', 'api', 'prompt')),
  provider TEXT,
  rev INTEGER NOT NULL DEFAULT 0,
  history_rev INTEGER NOT NULL DEFAULT 0,
  n INTEGER NOT NULL DEFAULT 0,
  first_ts_ms INTEGER NOT NULL,
  newest_ts_ms INTEGER NOT NULL,
  rule TEXT NOT NULL, -- JSON
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

-- What is rolled up by value: `segments.KEY` (or `segments.KEY,KEY`), `error`, `prediction`,
-- `metrics`. Above 200 values it stops being rolled up, and what there was is dropped: the rollups
-- are then the same in whatever order the values came.
CREATE TABLE cardinality (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  field TEXT NOT NULL,
  values_seen INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE cardinality_value (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  field TEXT NOT NULL,
  value_id INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, field, value_id)
) STRICT, WITHOUT ROWID;

-- No foreign keys from here to the rollups: a look-up for each row would cost a tenth of ingest.
CREATE TABLE observation (
  dependency_id INTEGER NOT NULL,
  ts_ms INTEGER NOT NULL,
  seq INTEGER NOT NULL, -- order of arrival among those of one time
  version_id INTEGER NOT NULL, -- 0: none stated
  item_id INTEGER,
  outcome_e6 INTEGER CHECK (outcome_e6 BETWEEN 0 AND 1000000),
  outcome_lag_ms INTEGER, -- when the outcome came, after `ts_ms`
  error_id INTEGER,
  confidence_e6 INTEGER CHECK (confidence_e6 BETWEEN 0 AND 1000000),
  latency_us INTEGER CHECK (latency_us >= 0),
  cost_micro_usd INTEGER CHECK (cost_micro_usd BETWEEN 0 AND 1000000000000000),
  input_tokens INTEGER CHECK (input_tokens >= 0),
  output_tokens INTEGER CHECK (output_tokens >= 0),
  segments TEXT, -- JSON array: name ids, or `key=value` where the key is not rolled up
  budget_id INTEGER,
  reservation TEXT,
  prediction_id INTEGER,
  label_id INTEGER,
  input_hash INTEGER,
  output_hash INTEGER,
  metrics TEXT, -- JSON object, keys sorted
  output TEXT, -- only with store_text
  PRIMARY KEY (dependency_id, ts_ms, seq)
) STRICT, WITHOUT ROWID;

-- Where the observation of an id is; `id` is a 16-byte hash of the caller's.
CREATE TABLE observation_id (
  dependency_id INTEGER NOT NULL,
  id BLOB NOT NULL,
  ts_ms INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, id)
) STRICT, WITHOUT ROWID;

-- Metrics that a dependency has values of.
CREATE TABLE dependency_metric (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  metric TEXT NOT NULL,
  PRIMARY KEY (dependency_id, metric)
) STRICT, WITHOUT ROWID;

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
  series_id INTEGER NOT NULL,
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

-- `bins`: steps between occupied bins from `lowest` on and their counts, as store/codec.py packs
-- them; layouts in detectors/bins.py. `sum` is in 1e-6 of the metric's unit.
CREATE TABLE histogram (
  series_id INTEGER NOT NULL,
  metric_id INTEGER NOT NULL,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket INTEGER NOT NULL,
  n INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  lowest INTEGER NOT NULL,
  bins BLOB NOT NULL,
  PRIMARY KEY (series_id, metric_id, daily, bucket)
) STRICT, WITHOUT ROWID;

-- Counts of categorical values (error codes, predictions).
CREATE TABLE category (
  series_id INTEGER NOT NULL,
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
  outcome_sum INTEGER NOT NULL, -- 1e-6
  PRIMARY KEY (dependency_id, version_id, day, item_id)
) STRICT, WITHOUT ROWID;

-- The same input answered: how often with which output. Of each version the inputs with the
-- smallest hashes, of each input the outputs with the smallest: the same in any order.
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

-- Throw-away: detector states, each of the hours before `hour`; dropped when one of those changes.
CREATE TABLE state_cache (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  key TEXT NOT NULL,
  hour INTEGER NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (dependency_id, key)
) STRICT, WITHOUT ROWID;
