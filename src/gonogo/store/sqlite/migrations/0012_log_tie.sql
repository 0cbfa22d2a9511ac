-- Which write-ahead log belongs to the file: 16 bytes that change with each log that begins, the
-- ones before them, and the salts of that log (store/identity.py reads them off the page as well).
CREATE TABLE log_tie (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  tie BLOB NOT NULL
) STRICT;

-- In a backup alone: when it was made, what it holds, and the digest of the whole file (store/backup.py).
CREATE TABLE backup_made (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  made_ms INTEGER NOT NULL,
  observations INTEGER NOT NULL,
  actions INTEGER NOT NULL,
  newest_ts_ms INTEGER,
  digest BLOB NOT NULL
) STRICT;
