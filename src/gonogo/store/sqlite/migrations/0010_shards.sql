-- What a shard of a database is named by, so that every statement can say it; a file is one shard.

ALTER TABLE decision ADD COLUMN shard TEXT
  GENERATED ALWAYS AS (coalesce(dependency, budget, '')) VIRTUAL;

ALTER TABLE decision_repeat ADD COLUMN shard TEXT NOT NULL DEFAULT '';
UPDATE decision_repeat SET shard =
  (SELECT coalesce(dependency, budget, '') FROM decision WHERE decision.id = decision_id);

-- The chain that a link is in: a file has one.
ALTER TABLE audit ADD COLUMN shard TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX incident_in_shard ON incident (dependency, id);

ALTER TABLE incident_event ADD COLUMN dependency TEXT NOT NULL DEFAULT '';
UPDATE incident_event SET dependency =
  (SELECT dependency FROM incident WHERE incident.id = incident_id);

ALTER TABLE notice ADD COLUMN dependency TEXT NOT NULL DEFAULT '';
UPDATE notice SET dependency = (SELECT dependency FROM incident WHERE incident.id = incident_id);
CREATE UNIQUE INDEX notice_in_shard ON notice (dependency, notifier, incident_id);
