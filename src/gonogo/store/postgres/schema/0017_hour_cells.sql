-- Hours that were counted elsewhere: the calls of one version, golden item and set of segments in one
-- UTC hour, as they came. Rollups hold what they add; they are made anew of these as of observations.
CREATE TABLE hour_cell (
  dependency_id BIGINT NOT NULL,
  hour BIGINT NOT NULL, -- whole hours since 1970
  cell BYTEA NOT NULL, -- a 16-byte hash of source, version, item and segments
  version_id BIGINT NOT NULL, -- 0: none stated
  item_id BIGINT,
  segments TEXT, -- as of an observation
  n BIGINT NOT NULL CHECK (n >= 0), -- 0: taken back
  first_ts_ms BIGINT NOT NULL,
  newest_ts_ms BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  nano_usd BIGINT CHECK (nano_usd >= 0), -- what its calls cost, 1e-9 USD
  run_id BIGINT, -- name
  writer_id BIGINT, -- name
  content TEXT NOT NULL, -- JSON: counts, histograms, errors, predictions; '' where n is 0
  PRIMARY KEY (dependency_id, hour, cell)
);
