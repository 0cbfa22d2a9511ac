-- What people are told as one: which page an incident belongs to, of what kind it is, whose it is; what
-- else a notifier was told (plans that wait, budgets); and what nobody is to be woken for.

ALTER TABLE incident ADD COLUMN kind TEXT NOT NULL DEFAULT 'decline';
ALTER TABLE incident ADD COLUMN provider TEXT;
ALTER TABLE incident ADD COLUMN page TEXT; -- the key of its first incident's page; null: its own
ALTER TABLE incident ADD COLUMN owner TEXT;

CREATE TABLE message_told (
  notifier TEXT NOT NULL,
  subject TEXT NOT NULL, -- plan:ID, budget:NAME:WINDOW
  seq INTEGER NOT NULL,
  PRIMARY KEY (notifier, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE silence (
  id TEXT PRIMARY KEY,
  dependency TEXT NOT NULL, -- a name or a pattern
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT;
