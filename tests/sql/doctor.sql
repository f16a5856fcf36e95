-- mm_doctor(): each check sees what it is for, names the command that mends it, and the command mends it.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
CREATE FUNCTION spec.says(name text) RETURNS text LANGUAGE sql AS $$ SELECT status FROM mm_doctor() WHERE check_name = name $$;
-- Breaks something, asks, does what the fix says, asks again; everything is taken back.
CREATE FUNCTION spec.mended(deed text, name text) RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    broken record;
    mended text;
BEGIN
    EXECUTE deed;
    SELECT * INTO broken FROM mm_doctor() WHERE check_name = name;
    IF broken.fix IS NOT NULL THEN
        EXECUTE broken.fix;
    END IF;
    mended := spec.says(name);
    RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0';
EXCEPTION
    WHEN SQLSTATE 'SPEC0' THEN RETURN broken.status || ' ' || mended;
END;
$$;

SELECT is(spec.says(c.name), 'ok', 'fresh: ' || c.name) FROM unnest('{tls,row_security,views,partition_grants,public_grants,truncate,function_owners,table_owners,bypass,triggers,schema_version,extension_version,audit_sealed,key_files,client_authentication,passwords}'::text[]) AS c (name);
SELECT is_empty($$ SELECT * FROM mm_doctor() WHERE status NOT IN ('ok', 'warning', 'error', 'unknown') OR detail IS NULL OR (status = 'ok') <> (fix IS NULL) $$, 'each check has a status, a detail, and a fix where it is not ok');
SELECT is((SELECT count(*) FROM mm_doctor()), (SELECT count(DISTINCT check_name) FROM mm_doctor()), 'each check has a name of its own');

CREATE ROLE spec_login LOGIN;
SELECT is(spec.mended(c.deed, c.name), c.status || ' ok', format('%s: %s, and its fix mends it', c.name, c.deed))
FROM (VALUES
    ('ALTER TABLE profiles DISABLE ROW LEVEL SECURITY', 'row_security', 'error'),
    ('ALTER TABLE break_glass_grants DISABLE ROW LEVEL SECURITY', 'row_security', 'error'),
    ('CREATE VIEW leak AS SELECT * FROM profiles', 'views', 'error'),
    ('CREATE VIEW leak WITH (security_invoker = false) AS SELECT * FROM assessment_sessions_archive_default', 'views', 'error'),
    ('GRANT SELECT ON audit_log_default TO mindmeasure_user', 'partition_grants', 'error'),
    ('GRANT SELECT ON assessment_sessions_archive_default TO PUBLIC', 'partition_grants', 'error'),
    ('GRANT SELECT ON profiles TO PUBLIC', 'public_grants', 'error'),
    ('GRANT EXECUTE ON FUNCTION mm_fuse_session(uuid, boolean) TO PUBLIC', 'public_grants', 'error'),
    ('CREATE ROLE anon; GRANT SELECT ON profiles TO anon', 'public_grants', 'error'),
    ('GRANT TRUNCATE ON profiles TO mindmeasure_system', 'truncate', 'error'),
    ('ALTER FUNCTION mm_fuse_pending(integer) OWNER TO postgres', 'function_owners', 'error'),
    ('GRANT mindmeasure_owner TO spec_login', 'table_owners', 'error'),
    ('ALTER ROLE spec_app BYPASSRLS', 'bypass', 'error'),
    ('ALTER ROLE spec_auditor SUPERUSER', 'bypass', 'error'),
    ('ALTER TABLE text_analysis DISABLE TRIGGER audit_insert', 'triggers', 'error'),
    ('INSERT INTO audit_log (at, action) VALUES (now() - interval ''25 hours'', ''OLD'')', 'audit_sealed', 'warning')) AS c (deed, name, status);
SELECT is(spec.mended('CREATE VIEW fine WITH (security_invoker = true) AS SELECT * FROM profiles', 'views'), 'ok ok', 'a view that reads with the caller''s rights is fine');
DO $$ BEGIN DELETE FROM mm_schema_migrations WHERE version = 13; END $$;
SELECT is(spec.says('schema_version'), 'error', 'a migration that was not applied is seen');
SELECT matches((SELECT detail FROM mm_doctor() WHERE check_name = 'schema_version'), '13', 'and named');

-- who asks
SELECT is(spec.say('SELECT count(*) FROM mm_doctor()', r), (SELECT count(*)::text FROM mm_doctor()), r || ' gets an answer to every check') FROM unnest('{spec_worker,spec_auditor}'::text[]) AS r;
SELECT is(spec.say($$ SELECT status || ' ' || (fix ~ 'superuser') FROM mm_doctor() WHERE check_name = 'client_authentication' $$, 'spec_worker'), 'unknown true', 'what only a superuser may look at is unknown to others, with how');
SELECT is(spec.say($$ SELECT string_agg(check_name, ' ' ORDER BY check_name) FROM mm_doctor() WHERE status = 'unknown' AND check_name NOT IN ('jobs', 'backups', 'unencrypted_rows') $$, r), 'checksums client_authentication read_audit_person tls_protocol', r || ': these alone') FROM unnest('{spec_worker,spec_auditor}'::text[]) AS r;
SELECT is(spec.outcome('SELECT FROM mm_doctor()', r), 'refused', r || ' may not ask') FROM unnest('{spec_app,spec_anon}'::text[]) AS r;

-- What other parts write, here in their place: the jobs there should be, open rows, the backups' status.
CREATE OR REPLACE FUNCTION mm_jobs() RETURNS TABLE (job text, schedule text, command text) LANGUAGE sql AS $$ VALUES ('mindmeasure pending', '* * * * *', 'SELECT 1'), ('mindmeasure seal audit', '* * * * *', 'SELECT 2') $$;
SELECT results_eq($$ SELECT status, detail FROM mm_doctor() WHERE check_name = 'jobs' $$, $$ VALUES ('warning', 'pg_cron is not here: something else has to run mindmeasure pending, mindmeasure seal audit') $$, 'without pg_cron the jobs are named');
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobname text, active boolean);
INSERT INTO cron.job VALUES ('mindmeasure pending', true), ('mindmeasure seal audit', false);
SELECT results_eq($$ SELECT status, detail FROM mm_doctor() WHERE check_name = 'jobs' $$, $$ VALUES ('warning', 'pg_cron does not run mindmeasure seal audit') $$, 'one that is switched off is named');
UPDATE cron.job SET active = true;
SELECT is(spec.says('jobs'), 'ok', 'all of them run');
CREATE OR REPLACE FUNCTION mm_unencrypted_rows() RETURNS TABLE (table_name text, rows bigint) LANGUAGE sql AS $$ VALUES ('text_analysis', 5::bigint) $$;
SELECT results_eq($$ SELECT status, detail ~ 'no key file' FROM mm_doctor() WHERE check_name = 'unencrypted_rows' $$, $$ VALUES ('warning', true) $$, 'without a key file nothing is encrypted');
SET LOCAL mindmeasure.backup_status_file = '/nowhere';
SELECT is(spec.says('backups'), 'unknown', 'no status of backups: unknown');
CREATE FUNCTION spec.backed_up(daily interval, weekly interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    file CONSTANT text := current_setting('data_directory') || '/spec_backup.prom';
BEGIN
    EXECUTE format($q$ COPY (VALUES ('mindmeasure_backup_last_success_seconds{tier="daily"} %s'), ('mindmeasure_backup_last_exit_code{tier="daily"} 0'), ('mindmeasure_backup_last_success_seconds{tier="weekly"} %s')) TO %L $q$,
        extract(epoch FROM now() - daily)::bigint, extract(epoch FROM now() - weekly)::bigint, file);
    PERFORM set_config('mindmeasure.backup_status_file', file, true);
    RETURN (SELECT status || coalesce(' ' || fix, '') FROM mm_doctor() WHERE check_name = 'backups');
END $$;
SELECT is(spec.backed_up('25 hours', '7 days'), 'ok', 'backups of yesterday and last week are fine');
SELECT is(spec.backed_up('27 hours', '7 days'), 'error deploy/backup/backup.sh daily', 'a daily one that did not come is an error, with what to run');
SELECT is(spec.backed_up('1 hour', '9 days'), 'error deploy/backup/backup.sh weekly', 'a weekly one too');

-- It goes on where there is nothing to look at.
ALTER TABLE audit_log RENAME TO gone;
SELECT is(spec.says('audit_sealed'), 'unknown', 'a check that cannot run is unknown');
SELECT is(spec.says('row_security'), 'ok', 'and the others go on');
SELECT * FROM finish();
ROLLBACK;
