-- What the way back to the primary needs to know: who holds a route until when, how often a
-- fallback was found still needed, and where its trials of the primary stand.

ALTER TABLE route ADD COLUMN held_until_ms INTEGER;
ALTER TABLE route ADD COLUMN renewals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE route ADD COLUMN recovery TEXT; -- JSON

-- 1: a stage of the way back that leaves most traffic where it is; it is no switch to be damped.
ALTER TABLE route_switch ADD COLUMN stage INTEGER NOT NULL DEFAULT 0 CHECK (stage IN (0, 1));
