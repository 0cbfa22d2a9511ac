-- Money. `root` is the shard: the top of the chain of parents of a budget, or of what was named.

-- Spending of calls that name no budget is booked by its dependency alone (`root` and `budget` '').
-- Sums by quarter hour and by UTC day.
CREATE TABLE spend (
  root TEXT NOT NULL,
  budget TEXT NOT NULL, -- '': none was named
  dependency TEXT COLLATE "C" NOT NULL, -- '': a declared settlement
  reserved INTEGER NOT NULL CHECK (reserved IN (0, 1)),
  daily INTEGER NOT NULL CHECK (daily IN (0, 1)),
  bucket BIGINT NOT NULL,
  micro_usd BIGINT NOT NULL,
  PRIMARY KEY (root, budget, dependency, reserved, daily, bucket)
);
-- For budgets that count dependencies, whatever budget the calls name.
CREATE INDEX spend_by_dependency ON spend (dependency, daily, bucket) WHERE reserved = 0;

-- `granted` is all that was ever held in a budget's name or in that of a budget below it. It only
-- grows: what was granted since balances were read is the most that can have been added to them.
CREATE TABLE account (
  root TEXT NOT NULL,
  budget TEXT NOT NULL,
  granted_micro_usd BIGINT NOT NULL,
  PRIMARY KEY (root, budget)
);

CREATE TABLE reservation (
  root TEXT NOT NULL,
  id TEXT NOT NULL,
  budget TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'released')),
  held_micro_usd BIGINT NOT NULL CHECK (held_micro_usd BETWEEN 0 AND 1000000000000000),
  observed_micro_usd BIGINT NOT NULL DEFAULT 0 CHECK (observed_micro_usd >= 0),
  declared_micro_usd BIGINT CHECK (declared_micro_usd BETWEEN 0 AND 1000000000000000),
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL CHECK (expires_ms > created_ms),
  closed_ms BIGINT,
  confidence_e6 INTEGER NOT NULL CHECK (confidence_e6 BETWEEN 0 AND 1000000),
  remaining_micro_usd BIGINT NOT NULL,
  planned_micro_usd BIGINT CHECK (planned_micro_usd >= 0),
  PRIMARY KEY (root, id)
);
CREATE INDEX reservation_by_id ON reservation (id);
CREATE INDEX reservation_open ON reservation
  (root, budget, expires_ms, created_ms, held_micro_usd, observed_micro_usd) WHERE state = 'open';
CREATE INDEX reservation_closed ON reservation (budget, closed_ms) WHERE state = 'settled';

-- Append-only. Adding up a reservation's entries gives its row and its share of `spend`.
CREATE TABLE ledger_entry (
  root TEXT NOT NULL,
  reservation TEXT NOT NULL,
  seq INTEGER NOT NULL,
  ts_ms BIGINT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('hold', 'cost', 'settle', 'release', 'correct')),
  held_micro_usd BIGINT NOT NULL,
  spent_micro_usd BIGINT NOT NULL,
  dependency TEXT, -- that it was spent on; '' where it was declared
  quarter BIGINT, -- that it is booked in
  PRIMARY KEY (root, reservation, seq)
);

CREATE TABLE reserve_answer (
  root TEXT NOT NULL,
  key TEXT NOT NULL,
  arguments TEXT NOT NULL,
  answer TEXT NOT NULL,
  ts_ms BIGINT NOT NULL,
  PRIMARY KEY (root, key)
);
CREATE INDEX reserve_answer_by_key ON reserve_answer (key);
