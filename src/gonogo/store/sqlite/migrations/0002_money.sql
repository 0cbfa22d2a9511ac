-- Money: what was spent, what is held, and the entries that say why. Integer micro-dollars.
-- Budgets are configured, not stored: a row names one, and what belongs to it is decided when asked,
-- so that a changed configuration needs no rebuilding.

-- Where money went. `reserved`: by observations of a reservation, or by its declared settlement.
CREATE TABLE spend_source (
  id INTEGER PRIMARY KEY,
  dependency TEXT NOT NULL, -- '': a declared settlement
  budget TEXT NOT NULL, -- '': none was named
  reserved INTEGER NOT NULL CHECK (reserved IN (0, 1)),
  UNIQUE (dependency, budget, reserved)
) STRICT;

CREATE INDEX spend_source_by_budget ON spend_source (budget);

-- Sums by quarter hour, which divides the days of every time zone in use, and again by UTC day.
CREATE TABLE spend (
  source_id INTEGER NOT NULL REFERENCES spend_source,
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket INTEGER NOT NULL,
  micro_usd INTEGER NOT NULL,
  PRIMARY KEY (source_id, daily, bucket)
) STRICT, WITHOUT ROWID;

-- What the entries below add up to. An open hold that is past `expires_ms` holds nothing.
CREATE TABLE reservation (
  id TEXT PRIMARY KEY,
  budget TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'released')),
  held_micro_usd INTEGER NOT NULL CHECK (held_micro_usd BETWEEN 0 AND 1000000000000000),
  observed_micro_usd INTEGER NOT NULL DEFAULT 0 CHECK (observed_micro_usd >= 0),
  declared_micro_usd INTEGER CHECK (declared_micro_usd BETWEEN 0 AND 1000000000000000),
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL CHECK (expires_ms > created_ms),
  closed_ms INTEGER,
  -- The check that it was made with, kept to be judged by what the work came to cost.
  confidence_e6 INTEGER NOT NULL CHECK (confidence_e6 BETWEEN 0 AND 1000000),
  remaining_micro_usd INTEGER NOT NULL,
  planned_micro_usd INTEGER CHECK (planned_micro_usd >= 0)
) STRICT, WITHOUT ROWID;

-- Carries all that a sum over a budget's open holds reads.
CREATE INDEX reservation_open ON reservation
  (budget, expires_ms, created_ms, held_micro_usd, observed_micro_usd) WHERE state = 'open';
CREATE INDEX reservation_closed ON reservation (closed_ms) WHERE state = 'settled';

-- Append-only. Adding up a reservation's entries gives its row and its share of `spend`.
CREATE TABLE ledger_entry (
  seq INTEGER PRIMARY KEY,
  ts_ms INTEGER NOT NULL,
  reservation TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('hold', 'cost', 'settle', 'release', 'correct')),
  held_micro_usd INTEGER NOT NULL,
  spent_micro_usd INTEGER NOT NULL,
  source_id INTEGER, -- of what was spent
  quarter INTEGER -- that it is booked in
) STRICT;

CREATE TRIGGER ledger_entry_is_never_changed BEFORE UPDATE ON ledger_entry
BEGIN
  SELECT RAISE(ABORT, 'ledger entries are only ever appended');
END;

CREATE TRIGGER ledger_entry_is_never_removed BEFORE DELETE ON ledger_entry
BEGIN
  SELECT RAISE(ABORT, 'ledger entries are only ever appended');
END;

-- What a key was answered, written with the hold: a caller that lost its answer asks again.
CREATE TABLE reserve_answer (
  key TEXT PRIMARY KEY,
  arguments TEXT NOT NULL,
  answer TEXT NOT NULL,
  ts_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
