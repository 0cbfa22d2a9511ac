-- Who gave an outcome, and a judge's grade of the call where it has one: a person's outcome takes the
-- place of the judge's, and both are needed to tell a model that fell from a judge that moved.
ALTER TABLE observation ADD COLUMN outcome_by_id INTEGER; -- name
ALTER TABLE observation ADD COLUMN judge_id INTEGER; -- name, `judge:NAME`
ALTER TABLE observation ADD COLUMN judge_e6 INTEGER CHECK (judge_e6 BETWEEN 0 AND 1000000);

-- Grades by hour, golden calls left out. 0: no grade, 1: good, 2: bad.
CREATE TABLE grade (
  dependency_id INTEGER NOT NULL REFERENCES dependency,
  hour INTEGER NOT NULL,
  judge_id INTEGER NOT NULL,
  judge_grade INTEGER NOT NULL CHECK (judge_grade IN (1, 2)),
  person_grade INTEGER NOT NULL CHECK (person_grade IN (0, 1, 2)),
  n INTEGER NOT NULL,
  PRIMARY KEY (dependency_id, hour, judge_id, judge_grade, person_grade)
) STRICT, WITHOUT ROWID;
