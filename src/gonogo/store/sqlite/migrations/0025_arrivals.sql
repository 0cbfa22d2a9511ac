-- When calls came, as far as it is asked; of what came before this step it is not known.
-- How many came on each day: what rows that were refused on those days are weighed against.
CREATE TABLE arrival_day (
  dependency_id INTEGER NOT NULL,
  day INTEGER NOT NULL, -- UTC, since 1970
  n INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, day)
) STRICT, WITHOUT ROWID;

-- Whose records went into hours that were past, and when the last of them came. Kept for a few days.
CREATE TABLE late_arrival (
  dependency_id INTEGER NOT NULL,
  writer_id INTEGER NOT NULL, -- name
  hour INTEGER NOT NULL, -- of the calls
  came_hour INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, writer_id, hour)
) STRICT, WITHOUT ROWID;
