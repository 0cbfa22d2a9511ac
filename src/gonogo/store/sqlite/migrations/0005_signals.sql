-- Which output an input got, day by day: of each version and day the inputs with the smallest
-- hashes, of each input the outputs with the smallest. The same in any order of arrival.
CREATE TABLE answer_day (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  version_id INTEGER NOT NULL,
  day INTEGER NOT NULL,
  input_hash INTEGER NOT NULL,
  output_hash INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, version_id, day, input_hash, output_hash)
) STRICT, WITHOUT ROWID;

-- Whether `features` is an embedding that came with the call, or made of the output's text.
ALTER TABLE output_sample ADD COLUMN embedded INTEGER NOT NULL DEFAULT 1 CHECK (embedded IN (0, 1));
