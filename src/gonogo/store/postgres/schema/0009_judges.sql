-- Who gave an outcome, and a judge's grade of the call where it has one: a person's outcome takes the
-- place of the judge's, and both are needed to tell a model that fell from a judge that moved.
ALTER TABLE observation ADD COLUMN outcome_by_id BIGINT; -- name
ALTER TABLE observation ADD COLUMN judge_id BIGINT; -- name, `judge:NAME`
ALTER TABLE observation ADD COLUMN judge_e6 BIGINT CHECK (judge_e6 BETWEEN 0 AND 1000000);

-- Grades by hour, golden calls left out. 0: no grade, 1: good, 2: bad.
CREATE TABLE grade (
  dependency_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  judge_id BIGINT NOT NULL,
  judge_grade BIGINT NOT NULL CHECK (judge_grade IN (1, 2)),
  person_grade BIGINT NOT NULL CHECK (person_grade IN (0, 1, 2)),
  n BIGINT NOT NULL,
  PRIMARY KEY (dependency_id, hour, judge_id, judge_grade, person_grade)
);
