-- Hours that were counted elsewhere: the calls of one version, golden item and set of segments in one
-- UTC hour, as they came. Rollups hold what they add; they are made anew of these as of observations.
CREATE TABLE hour_cell (
  dependency_id INTEGER NOT NULL,
  hour INTEGER NOT NULL, -- whole hours since 1970
  cell BLOB NOT NULL, -- a 16-byte hash of source, version, item and segments
  version_id INTEGER NOT NULL, -- 0: none stated
  item_id INTEGER,
  segments TEXT, -- as of an observation
  n INTEGER NOT NULL CHECK (n >= 0), -- 0: taken back
  first_ts_ms INTEGER NOT NULL,
  newest_ts_ms INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  nano_usd INTEGER CHECK (nano_usd >= 0), -- what its calls cost, 1e-9 USD
  run_id INTEGER, -- name
  writer_id INTEGER, -- name
  content TEXT NOT NULL, -- JSON: counts, histograms, errors, predictions; '' where n is 0
  PRIMARY KEY (dependency_id, hour, cell)
) STRICT, WITHOUT ROWID;
