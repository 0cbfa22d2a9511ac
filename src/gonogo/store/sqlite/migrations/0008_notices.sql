-- What an incident is suspected to come from, and what of it each notifier has been told.

ALTER TABLE incident ADD COLUMN suspected TEXT;

CREATE TABLE notice (
  notifier TEXT NOT NULL, -- its name in the configuration
  incident_id TEXT NOT NULL REFERENCES incident,
  seq INTEGER NOT NULL, -- the last line of the timeline that it was told
  PRIMARY KEY (notifier, incident_id)
) STRICT, WITHOUT ROWID;
