-- The log, incidents and notices in the shard of what they are about: a dependency, or a budget's
-- name. Actions make a chain in each shard; the one chain of before goes on as that of ''.

ALTER TABLE audit DROP CONSTRAINT audit_decision_id_fkey;
ALTER TABLE audit DROP CONSTRAINT audit_decision_id_key;
ALTER TABLE audit DROP CONSTRAINT audit_pkey;
ALTER TABLE decision_repeat DROP CONSTRAINT decision_repeat_decision_id_fkey;
ALTER TABLE decision_repeat DROP CONSTRAINT decision_repeat_pkey;
ALTER TABLE decision DROP CONSTRAINT decision_pkey;
DROP INDEX decision_by_stream;
DROP INDEX decision_repeat_by_decision;

ALTER TABLE decision ADD COLUMN shard TEXT COLLATE "C" NOT NULL
  GENERATED ALWAYS AS (coalesce(dependency, budget COLLATE "C", '')) STORED;
ALTER TABLE decision ADD PRIMARY KEY (shard, id);
CREATE INDEX decision_by_id ON decision (id);
CREATE INDEX decision_by_stream ON decision (shard, stream, last_ts_ms);
CREATE INDEX decision_by_action ON decision (ts_ms, id) WHERE action = 1;

ALTER TABLE decision_repeat ADD COLUMN shard TEXT COLLATE "C";
UPDATE decision_repeat SET shard =
  (SELECT d.shard FROM decision d WHERE d.id = decision_repeat.decision_id);
ALTER TABLE decision_repeat ADD PRIMARY KEY (shard, id);
ALTER TABLE decision_repeat
  ADD FOREIGN KEY (shard, decision_id) REFERENCES decision ON DELETE CASCADE;
CREATE INDEX decision_repeat_by_id ON decision_repeat (id);
CREATE INDEX decision_repeat_by_decision ON decision_repeat (shard, decision_id);

-- A link of the chain of '' may name an action of any shard: walking the chain finds one that is
-- missing, which is why nothing else ties them.
ALTER TABLE audit ADD COLUMN shard TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit ADD PRIMARY KEY (shard, seq);
CREATE INDEX audit_by_decision ON audit (decision_id);

ALTER TABLE incident_event DROP CONSTRAINT incident_event_incident_id_fkey;
ALTER TABLE incident_event DROP CONSTRAINT incident_event_pkey;
ALTER TABLE notice DROP CONSTRAINT notice_incident_id_fkey;
ALTER TABLE notice DROP CONSTRAINT notice_pkey;
ALTER TABLE incident DROP CONSTRAINT incident_pkey;
ALTER TABLE incident ADD PRIMARY KEY (dependency, id);
CREATE INDEX incident_by_id ON incident (id);

ALTER TABLE incident_event ADD COLUMN dependency TEXT COLLATE "C";
UPDATE incident_event SET dependency =
  (SELECT i.dependency FROM incident i WHERE i.id = incident_event.incident_id);
ALTER TABLE incident_event ADD PRIMARY KEY (dependency, incident_id, seq);
ALTER TABLE incident_event ADD FOREIGN KEY (dependency, incident_id) REFERENCES incident;
CREATE INDEX incident_event_by_incident ON incident_event (incident_id, seq);

ALTER TABLE notice ADD COLUMN dependency TEXT COLLATE "C";
UPDATE notice SET dependency =
  (SELECT i.dependency FROM incident i WHERE i.id = notice.incident_id);
ALTER TABLE notice ADD PRIMARY KEY (dependency, notifier, incident_id);
ALTER TABLE notice ADD FOREIGN KEY (dependency, incident_id) REFERENCES incident;
