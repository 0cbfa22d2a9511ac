-- The last trust score of each dependency and the last one of an earlier day: the fleet's view of
-- ten thousand dependencies is one scan of this table. Throw-away: it is made again when asked.
CREATE TABLE kept_score (
  dependency_id INTEGER PRIMARY KEY REFERENCES dependency,
  ts_ms INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('go', 'caution', 'no_go', 'unknown')),
  score_e6 INTEGER NOT NULL CHECK (score_e6 BETWEEN 0 AND 1000000),
  lower_e6 INTEGER NOT NULL,
  upper_e6 INTEGER NOT NULL,
  earlier_verdict TEXT,
  earlier_score_e6 INTEGER
) STRICT;
