-- What the receiver of telemetry knows from one process to the next.
-- Whose calls are told one by one, by spans or events: their metrics would count them again.
CREATE TABLE told_calls (
  dependency TEXT NOT NULL,
  service TEXT NOT NULL,
  newest_ms INTEGER NOT NULL, -- of its newest call
  PRIMARY KEY (dependency, service)
) STRICT, WITHOUT ROWID;

-- The last point of each cumulative series: what is new in the next one.
CREATE TABLE counter_point (
  series TEXT PRIMARY KEY, -- a hash of its source, name and attributes
  point TEXT NOT NULL, -- JSON
  newest_ms INTEGER NOT NULL -- when it came
) STRICT, WITHOUT ROWID;
