-- What an incident is suspected to come from, and what of it each notifier has been told.

ALTER TABLE incident ADD COLUMN suspected TEXT;

CREATE TABLE notice (
  notifier TEXT NOT NULL,
  incident_id TEXT COLLATE "C" NOT NULL REFERENCES incident,
  seq BIGINT NOT NULL,
  PRIMARY KEY (notifier, incident_id)
);
