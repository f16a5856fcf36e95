-- The document's table and function, with the sessions that fill.sql made. It does not define its archive
-- table; the plainest one, without any index, is the fastest to write.
\ir ../../tests/sql/lib/seed_schema.psql
CREATE TABLE seed.assessment_sessions_archive (LIKE seed.assessment_sessions);
CREATE FUNCTION seed.archive_old_sessions() RETURNS void SET search_path = seed AS $$
BEGIN
-- Move to archive table
INSERT INTO assessment_sessions_archive
SELECT * FROM assessment_sessions
WHERE created_at < NOW() - INTERVAL '2 years';
-- Delete from main table
DELETE FROM assessment_sessions
WHERE created_at < NOW() - INTERVAL '2 years';
END;
$$ LANGUAGE plpgsql;
SET session_replication_role = replica;
SELECT format('INSERT INTO seed.assessment_sessions (%1$s) SELECT %1$s FROM public.assessment_sessions', string_agg(quote_ident(attname), ', '))
FROM pg_attribute WHERE attrelid = 'seed.assessment_sessions'::regclass AND attnum > 0
\gexec
RESET session_replication_role;
VACUUM (ANALYZE) seed.assessment_sessions;
