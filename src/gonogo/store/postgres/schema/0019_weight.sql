-- For how many calls a row stands, in millionths: one over its chance of being recorded. NULL: all were.
ALTER TABLE observation ADD COLUMN weight_e6 BIGINT CHECK (weight_e6 >= 1000000);
