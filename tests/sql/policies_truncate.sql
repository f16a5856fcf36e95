-- Nobody but the owner empties a table: TRUNCATE passes by every policy and every row trigger.
BEGIN;
SELECT * FROM no_plan();
\ir lib/matrix.psql
INSERT INTO spec.cells
SELECT oid::regclass::text, 'refused', 'refused', 'refused', 'refused', 'refused', 'refused'
FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND (relnamespace = 'public'::regnamespace OR oid = 'auth.users'::regclass);
SELECT spec.every_table_is_listed();
-- Without CASCADE, which would ask for the privilege on the tables that refer to it as well.
SELECT spec.matrix('TRUNCATE %s');
SELECT * FROM finish();
ROLLBACK;
