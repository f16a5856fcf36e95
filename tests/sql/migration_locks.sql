-- What docs/operations.md says of statements in migrations: the strongest lock on the table, and whether all
-- of the table is read (scan) or written anew (rewrite) under it.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
CREATE TABLE sample (id int PRIMARY KEY, small int, name text, parent int);
INSERT INTO sample SELECT n, n, n::text, n FROM generate_series(1, 100) AS n;
ALTER TABLE sample ADD CONSTRAINT parent_fkey FOREIGN KEY (parent) REFERENCES sample (id) NOT VALID;
ALTER TABLE sample ADD CONSTRAINT small_positive CHECK (small > 0) NOT VALID;
ALTER TABLE sample ADD CONSTRAINT name_given CHECK (name IS NOT NULL);
CREATE UNIQUE INDEX sample_name ON sample (name);
CREATE TABLE months (id int, at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE month (id int, at timestamptz);

CREATE FUNCTION spec.takes(statement text, relation text DEFAULT 'sample') RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    target CONSTANT oid := relation::regclass;
    file CONSTANT oid := pg_relation_filenode(target);
    scans CONSTANT bigint := pg_stat_get_xact_numscans(target);
    modes CONSTANT text[] := ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'];
    seen text;
BEGIN
    EXECUTE statement;
    SELECT modes[max(array_position(modes, l.mode))] INTO seen FROM pg_locks AS l
    WHERE l.relation = target AND l.pid = pg_backend_pid() AND l.mode = ANY (modes);
    RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0', DETAIL = concat_ws(' ', regexp_replace(seen, 'Lock$', ''),
        CASE WHEN pg_relation_filenode(target) <> file THEN 'rewrite' WHEN pg_stat_get_xact_numscans(target) > scans THEN 'scan' END);
EXCEPTION WHEN SQLSTATE 'SPEC0' THEN
    GET STACKED DIAGNOSTICS seen = PG_EXCEPTION_DETAIL;
    RETURN seen;
END;
$$;
COMMIT;

-- The tables are committed: what is held from here on is held by the statement alone.
BEGIN;
SELECT is(spec.takes(statement, relation), wanted, statement)
FROM (VALUES
    ('sample', 'ALTER TABLE sample ADD COLUMN note text', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample ADD COLUMN note text NOT NULL DEFAULT ''none''', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample ADD COLUMN made_at timestamptz DEFAULT clock_timestamp()', 'AccessExclusive rewrite'),
    ('sample', 'ALTER TABLE sample ADD COLUMN note text CHECK (note <> '''')', 'AccessExclusive scan'),
    ('sample', 'ALTER TABLE sample ALTER COLUMN small TYPE bigint', 'AccessExclusive rewrite'),
    ('sample', 'ALTER TABLE sample ALTER COLUMN small SET DEFAULT 1', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample ALTER COLUMN small SET NOT NULL', 'AccessExclusive scan'),
    ('sample', 'ALTER TABLE sample ALTER COLUMN name SET NOT NULL', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample DROP COLUMN small', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample RENAME COLUMN small TO little', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample ADD CONSTRAINT few CHECK (small < 1000)', 'AccessExclusive scan'),
    ('sample', 'ALTER TABLE sample ADD CONSTRAINT few CHECK (small < 1000) NOT VALID', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample VALIDATE CONSTRAINT small_positive', 'ShareUpdateExclusive scan'),
    ('sample', 'ALTER TABLE sample ADD FOREIGN KEY (small) REFERENCES sample (id)', 'ShareRowExclusive scan'),
    ('sample', 'ALTER TABLE sample ADD FOREIGN KEY (small) REFERENCES sample (id) NOT VALID', 'ShareRowExclusive'),
    ('sample', 'ALTER TABLE sample VALIDATE CONSTRAINT parent_fkey', 'ShareUpdateExclusive scan'),
    ('sample', 'CREATE INDEX ON sample (small)', 'Share scan'),
    ('sample', 'ALTER TABLE sample ADD UNIQUE (small)', 'AccessExclusive scan'),
    ('sample', 'ALTER TABLE sample ADD UNIQUE USING INDEX sample_name', 'AccessExclusive'),
    ('sample', 'DROP INDEX sample_name', 'AccessExclusive'),
    ('sample', 'ALTER TABLE sample ENABLE ROW LEVEL SECURITY', 'AccessExclusive'),
    ('sample', 'CREATE POLICY "none" ON sample USING (false)', 'AccessExclusive'),
    ('sample', 'CREATE TRIGGER nothing BEFORE INSERT ON sample FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()', 'ShareRowExclusive'),
    ('sample', 'COMMENT ON TABLE sample IS ''a sample''', 'ShareUpdateExclusive'),
    ('sample', 'ANALYZE sample', 'ShareUpdateExclusive'),
    ('months', 'ALTER TABLE months ATTACH PARTITION month FOR VALUES FROM (''2025-01-01'') TO (''2025-02-01'')', 'ShareUpdateExclusive'),
    ('months', 'CREATE TABLE another PARTITION OF months FOR VALUES FROM (''2025-01-01'') TO (''2025-02-01'')', 'AccessExclusive')
) AS s (relation, statement, wanted);
ROLLBACK;

-- mm_migrate() with nothing to apply.
BEGIN;
SELECT is((SELECT count(*) FROM mm_migrate()), 0::bigint, 'given nothing to apply');
SELECT is_empty($$SELECT l.relation::regclass, l.mode FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.relation >= 16384 AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')$$,
    'mm_migrate() stops neither readers nor writers');
SELECT isnt_empty($$SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'$$, 'and holds an advisory lock: one at a time');
SELECT * FROM finish();
ROLLBACK;
DROP TABLE sample, months, month;
DROP SCHEMA spec CASCADE;
