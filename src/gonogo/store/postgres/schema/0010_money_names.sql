-- A budget counts what its dependencies cost, in whatever name it was held.
DROP INDEX spend_by_dependency;
CREATE INDEX spend_by_dependency ON spend (dependency, daily, bucket);
