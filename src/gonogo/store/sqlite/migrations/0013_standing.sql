-- What drift and trust last said of the whole of each dependency: the worst of the two is its
-- standing verdict. `*_ms`: when it was asked; `*_data_ms`: the newest observation it rested on.

CREATE TABLE standing (
  dependency_id INTEGER PRIMARY KEY REFERENCES dependency,
  drift TEXT CHECK (drift IN ('go', 'caution', 'no_go', 'unknown')),
  drift_ms INTEGER,
  drift_data_ms INTEGER,
  trust TEXT CHECK (trust IN ('go', 'caution', 'no_go', 'unknown')),
  trust_ms INTEGER,
  trust_data_ms INTEGER
) STRICT;

-- A look at the fleet scored without an entry in the log.
INSERT INTO standing (dependency_id, trust, trust_ms, trust_data_ms)
SELECT d.id, k.verdict, k.ts_ms, min(d.newest_ts_ms, k.ts_ms)
FROM kept_score k JOIN dependency d ON d.id = k.dependency_id;

-- From the log: the newest check of each kind that asked about nothing but the dependency. Of a row
-- with max(), SQLite gives the other columns of the row that has it.
CREATE TABLE told AS
SELECT d.id, c.kind, c.verdict, max(c.last_ts_ms) AS asked_ms,
  c.ts_ms - 1000 * json_extract(c.answer, '$.data_age_s') AS data_ms
FROM decision c JOIN dependency d ON d.name = c.dependency
WHERE c.kind IN ('check_model_drift', 'get_trust_score_health') AND c.verdict IS NOT NULL
  AND json_valid(c.inputs) AND json_valid(c.answer)
  AND json_remove(c.inputs, '$.dependency', '$.detail') = '{}'
GROUP BY d.id, c.kind;

INSERT INTO standing (dependency_id, trust, trust_ms, trust_data_ms)
SELECT id, verdict, asked_ms, data_ms FROM told WHERE kind = 'get_trust_score_health'
ON CONFLICT (dependency_id) DO UPDATE SET trust = excluded.trust, trust_ms = excluded.trust_ms,
  trust_data_ms = excluded.trust_data_ms WHERE excluded.trust_ms >= standing.trust_ms;

INSERT INTO standing (dependency_id, drift, drift_ms, drift_data_ms)
SELECT id, verdict, asked_ms, data_ms FROM told WHERE kind = 'check_model_drift'
ON CONFLICT (dependency_id) DO UPDATE SET drift = excluded.drift, drift_ms = excluded.drift_ms,
  drift_data_ms = excluded.drift_data_ms;

DROP TABLE told;
DROP TABLE last_verdict;
