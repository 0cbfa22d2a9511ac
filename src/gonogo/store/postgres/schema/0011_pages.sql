-- What people are told as one: which page an incident belongs to, of what kind it is, whose it is; what
-- else a notifier was told (plans that wait, budgets); and what nobody is to be woken for.

ALTER TABLE incident ADD COLUMN kind TEXT NOT NULL DEFAULT 'decline';
ALTER TABLE incident ADD COLUMN provider TEXT;
ALTER TABLE incident ADD COLUMN page TEXT;
ALTER TABLE incident ADD COLUMN owner TEXT;

CREATE TABLE message_told (
  notifier TEXT NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (notifier, subject)
);

CREATE TABLE silence (
  id TEXT COLLATE "C" PRIMARY KEY,
  dependency TEXT COLLATE "C" NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  start_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL
);
