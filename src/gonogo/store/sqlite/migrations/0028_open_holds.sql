-- With the column of its own condition: SQLite looks up the row of each entry for a column that the index lacks,
-- and the sum over a budget's 240 open holds took four times as long.
DROP INDEX IF EXISTS reservation_open;
CREATE INDEX reservation_open ON reservation
  (budget, unit, expires_ms, created_ms, held_micro_usd, observed_micro_usd, state) WHERE state = 'open';
