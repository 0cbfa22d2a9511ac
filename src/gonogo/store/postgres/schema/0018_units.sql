-- Budgets in calls, tokens and minutes. What was used by where it was used, as `spend` has what it cost: calls,
-- their tokens (input and output) and the microseconds that they took.
CREATE TABLE used (
  root TEXT NOT NULL,
  budget TEXT NOT NULL, -- '': none was named
  dependency TEXT COLLATE "C" NOT NULL, -- '': a declared settlement
  reserved INTEGER NOT NULL CHECK (reserved IN (0, 1)),
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  tokens BIGINT NOT NULL,
  latency_us BIGINT NOT NULL,
  PRIMARY KEY (root, budget, dependency, reserved, daily, bucket)
);
CREATE INDEX used_by_dependency ON used (dependency, daily, bucket);

-- The root of a budget that was named is where its spending lies.
INSERT INTO used
SELECT coalesce(r.root, s.root, n.text, ''), coalesce(r.budget, n.text, ''), d.name,
  CASE WHEN r.id IS NULL THEN 0 ELSE 1 END, 0, o.ts_ms / 900000, count(*),
  least(sum(coalesce(o.input_tokens, 0) + coalesce(o.output_tokens, 0)), 9000000000000000),
  least(sum(coalesce(o.latency_us, 0)), 9000000000000000)
FROM observation o JOIN dependency d ON d.id = o.dependency_id
LEFT JOIN name n ON n.id = o.budget_id LEFT JOIN reservation r ON r.id = o.reservation
LEFT JOIN (SELECT budget, min(root) AS root FROM spend WHERE budget <> '' GROUP BY budget) s
  ON s.budget = n.text
GROUP BY 1, 2, 3, 4, 6;

INSERT INTO used
SELECT root, budget, dependency, reserved, 1, bucket / 96, sum(calls),
  least(sum(tokens), 9000000000000000), least(sum(latency_us), 9000000000000000)
FROM used GROUP BY 1, 2, 3, 4, 6;

-- In whose smallest unit a reservation's amounts are: those of its budget when it was made.
ALTER TABLE reservation ADD COLUMN unit TEXT NOT NULL DEFAULT 'usd';
DROP INDEX reservation_open;
CREATE INDEX reservation_open ON reservation
  (root, budget, unit, expires_ms, created_ms, held_micro_usd, observed_micro_usd) WHERE state = 'open';
