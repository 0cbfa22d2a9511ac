-- Which run of an import a call came with, and who wrote it: what can be taken back together.
ALTER TABLE observation ADD COLUMN run_id INTEGER; -- name
ALTER TABLE observation ADD COLUMN writer_id INTEGER; -- name

-- 1: the time is that of arrival, and gives way to one that is stated under the same id.
ALTER TABLE observation_id ADD COLUMN assumed INTEGER NOT NULL DEFAULT 0 CHECK (assumed IN (0, 1));

-- What was taken back, and how often: ids of it that a process remembers do not hold any more, and its
-- number is given to no other.
CREATE TABLE forgotten (
  dependency TEXT PRIMARY KEY,
  dependency_id INTEGER NOT NULL,
  times INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
