-- Money below a micro-dollar: what a call was booked at, in 1e-9 USD, where that is not its cost in whole
-- micro-dollars: a finer cost, or the price of its tokens on its day. NULL without any of these.
ALTER TABLE observation ADD COLUMN IF NOT EXISTS booked_nano_usd BIGINT;
-- -1: booked at a price that was not kept.
UPDATE observation SET booked_nano_usd = -1
WHERE cost_micro_usd IS NULL AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL);

-- What sums carry beyond their whole micro-dollars, 0 to 999.
ALTER TABLE spend ADD COLUMN IF NOT EXISTS rest_nano_usd BIGINT NOT NULL DEFAULT 0;
-- From one half on, so that what entries say in whole micro-dollars is rounded and not cut.
ALTER TABLE reservation ADD COLUMN IF NOT EXISTS rest_nano_usd BIGINT NOT NULL DEFAULT 500;
