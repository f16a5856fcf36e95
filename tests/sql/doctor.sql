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
    ('ALTER TABLE audit_log_default DISABLE ROW LEVEL SECURITY', 'row_security', 'error'),
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
DO $$ BEGIN DELETE FROM mm_schema_migrations WHERE version = 14; END $$;
SELECT is(spec.says('schema_version'), 'error', 'a migration that was not applied is seen');
SELECT matches((SELECT detail FROM mm_doctor() WHERE check_name = 'schema_version'), '14', 'and named');

-- who asks
SELECT is(spec.say('SELECT count(*) FROM mm_doctor()', r), (SELECT count(*)::text FROM mm_doctor()), r || ' gets an answer to every check') FROM unnest('{spec_worker,spec_auditor}'::text[]) AS r;
SELECT is(spec.say($$ SELECT status || ' ' || (fix ~ 'superuser') FROM mm_doctor() WHERE check_name = 'client_authentication' $$, 'spec_worker'), 'unknown true', 'what only a superuser may look at is unknown to others, with how');
SELECT is(spec.say($$ SELECT string_agg(check_name, ' ' ORDER BY check_name) FROM mm_doctor() WHERE status = 'unknown' AND check_name NOT IN ('jobs', 'backups', 'unencrypted_rows') $$, r), 'checksums client_authentication read_audit_person tls_protocol', r || ': these alone') FROM unnest('{spec_worker,spec_auditor}'::text[]) AS r;
SELECT is(spec.outcome('SELECT FROM mm_doctor()', r), 'refused', r || ' may not ask') FROM unnest('{spec_app,spec_anon}'::text[]) AS r;

-- It goes on where there is nothing to look at.
ALTER TABLE audit_log RENAME TO gone;
SELECT is(spec.says('audit_sealed'), 'unknown', 'a check that cannot run is unknown');
SELECT is(spec.says('row_security'), 'ok', 'and the others go on');
SELECT * FROM finish();
ROLLBACK;
