-- Puts mindmeasure back after DROP EXTENSION mindmeasure CASCADE. As a superuser; for another schema
-- than public replace public. tests/sql/drop_cascade.sql runs this file.
BEGIN;
-- The tables that were left behind go aside, with their rows and their closed doors.
CREATE SCHEMA left_behind AUTHORIZATION mindmeasure_owner;
DO $$
DECLARE
    left_table record;
BEGIN
    FOR left_table IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = 'mindmeasure_owner'::regrole AND c.relkind IN ('r', 'p')
    LOOP
        EXECUTE format('ALTER TABLE %s SET SCHEMA left_behind', left_table.name);
    END LOOP;
END
$$;
CREATE EXTENSION mindmeasure;
-- Every row comes over as it was, in the columns' names; history, audit and erasures, too. Without
-- triggers: copying is nothing that happened to anybody.
SET LOCAL session_replication_role = replica;
DO $$
DECLARE
    old record;
    columns text;
BEGIN
    FOR old IN
        SELECT c.oid::regclass AS name, n.oid::regclass AS new, c.relname
        FROM pg_class AS c JOIN pg_class AS n ON n.relname = c.relname AND n.relnamespace = 'public'::regnamespace
        WHERE c.relnamespace = 'left_behind'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> 'mm_schema_migrations'
        -- What others refer to comes first.
        ORDER BY c.relname <> 'session_keys', c.relname
    LOOP
        -- What CREATE EXTENSION has put there gives way to what was there.
        IF old.relname IN ('mm_models', 'retention_policies', 'audit_log', 'audit_subjects') THEN
            EXECUTE format('DELETE FROM %s', old.new);
        END IF;
        -- A column of your own that is missing in the new table stops it: add it there first.
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO STRICT columns
        FROM pg_attribute AS a WHERE a.attrelid = old.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
        EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s', old.new, columns, columns, old.name);
    END LOOP;
END
$$;
SELECT setval(pg_get_serial_sequence('public.audit_log', 'id'), max(id)) FROM public.audit_log HAVING max(id) IS NOT NULL;
COMMIT;
-- When you have looked at it: DROP SCHEMA left_behind CASCADE;
