-- Budgets in calls, tokens and minutes. What was used by where it was used, as `spend` has what it cost: calls,
-- their tokens (input and output) and the microseconds that they took.
CREATE TABLE used (
  source_id INTEGER NOT NULL REFERENCES spend_source,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  latency_us INTEGER NOT NULL,
  PRIMARY KEY (source_id, daily, bucket)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO spend_source (dependency, budget, reserved)
SELECT DISTINCT d.name, coalesce(r.budget, n.text, ''), r.id IS NOT NULL
FROM observation o JOIN dependency d ON d.id = o.dependency_id
LEFT JOIN name n ON n.id = o.budget_id LEFT JOIN reservation r ON r.id = o.reservation;

INSERT INTO used
SELECT p.id, 0, o.ts_ms / 900000, count(*),
  CAST(min(total(coalesce(o.input_tokens, 0) + coalesce(o.output_tokens, 0)), 9e15) AS INTEGER),
  CAST(min(total(coalesce(o.latency_us, 0)), 9e15) AS INTEGER)
FROM observation o JOIN dependency d ON d.id = o.dependency_id
LEFT JOIN name n ON n.id = o.budget_id LEFT JOIN reservation r ON r.id = o.reservation
JOIN spend_source p ON p.dependency = d.name AND p.budget = coalesce(r.budget, n.text, '')
  AND p.reserved = (r.id IS NOT NULL)
GROUP BY 1, 3;

INSERT INTO used
SELECT source_id, 1, bucket / 96, sum(calls), CAST(min(total(tokens), 9e15) AS INTEGER),
  CAST(min(total(latency_us), 9e15) AS INTEGER)
FROM used GROUP BY 1, 3;

-- In whose smallest unit a reservation's amounts are: those of its budget when it was made.
ALTER TABLE reservation ADD COLUMN unit TEXT NOT NULL DEFAULT 'usd';
DROP INDEX reservation_open;
-- Carries all that a sum over a budget's open holds reads.
CREATE INDEX reservation_open ON reservation
  (budget, unit, expires_ms, created_ms, held_micro_usd, observed_micro_usd) WHERE state = 'open';
