-- What was refused on the way in, counted: an answer that rests on the other rows says so.
CREATE TABLE refused (
  dependency TEXT NOT NULL, -- '' where a row did not say
  source TEXT NOT NULL, -- who sent it, or the file: its newest reading replaces what an earlier one left
  day INTEGER NOT NULL, -- UTC, since 1970, of its arrival
  field TEXT NOT NULL,
  problem TEXT NOT NULL, -- of the newest
  n BIGINT NOT NULL,
  newest_ms BIGINT NOT NULL,
  PRIMARY KEY (dependency, source, day, field)
);
