-- A silence lies with its dependency, as everything that is about one (docs/scale.md).

ALTER TABLE silence DROP CONSTRAINT silence_pkey;
ALTER TABLE silence ADD PRIMARY KEY (dependency, id);
