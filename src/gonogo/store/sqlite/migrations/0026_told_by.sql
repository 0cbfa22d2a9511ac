-- Who told of a row afterwards, where that is not its writer: who said its outcome, and who filled in its error,
-- latency or version. What a writer says is its word, on whoever's row.
ALTER TABLE observation ADD COLUMN outcome_writer_id INTEGER; -- name
ALTER TABLE observation ADD COLUMN filled_by_id INTEGER; -- name
