-- From when on a dependency's rows are kept: older ones are gone or going, and their rollups stand
-- for them. Nothing older is taken in any more, since it might be counted twice.
CREATE TABLE retention (
  dependency_id INTEGER PRIMARY KEY REFERENCES dependency,
  from_ms INTEGER NOT NULL -- the start of a UTC day
) STRICT;
