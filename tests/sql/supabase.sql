-- database: bare
-- Beside Supabase: its auth schema is left as it is, authenticated is a user, service_role the
-- system, and anon gets nothing in spite of the default privileges that would give it everything.
-- Roles are the cluster's: those made here go with the transaction, those found are used.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/catalog.psql

-- given a database as Supabase makes it
CREATE FUNCTION spec.make_role(name text, attributes text) RETURNS void LANGUAGE plpgsql
    AS $$
BEGIN
    IF to_regrole(name) IS NULL THEN
        EXECUTE format('CREATE ROLE %I', name);
    END IF;
    EXECUTE format('ALTER ROLE %I %s', name, attributes);
END;
$$;
SELECT spec.make_role(r.name, r.attributes)
FROM (VALUES ('anon', 'NOLOGIN NOINHERIT'), ('authenticated', 'NOLOGIN NOINHERIT'), ('service_role', 'NOLOGIN NOINHERIT BYPASSRLS'),
    ('authenticator', 'LOGIN NOINHERIT'), ('supabase_auth_admin', 'NOINHERIT CREATEROLE LOGIN')) AS r (name, attributes);
GRANT anon, authenticated, service_role TO authenticator;
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
SET LOCAL ROLE supabase_auth_admin;
CREATE TABLE auth.users (
    instance_id uuid, id uuid NOT NULL PRIMARY KEY, aud varchar(255), role varchar(255), email varchar(255), encrypted_password varchar(255),
    email_confirmed_at timestamptz, invited_at timestamptz, confirmation_token varchar(255), last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb,
    is_super_admin boolean, created_at timestamptz, updated_at timestamptz, phone text UNIQUE, is_sso_user boolean NOT NULL DEFAULT false, deleted_at timestamptz);
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;
INSERT INTO auth.users (id, email) VALUES ('00000000-0000-4000-8000-000000000001', 'before@example.org');
RESET ROLE;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role, postgres;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
CREATE TABLE public.an_ordinary_table ();
SELECT ok(has_table_privilege('anon', 'public.an_ordinary_table', 'SELECT'), 'given default privileges that give anon every table');
CREATE TABLE spec.catalog_before AS SELECT * FROM spec.catalog() AS line;

-- when
SELECT lives_ok('CREATE EXTENSION mindmeasure', 'CREATE EXTENSION works');

-- then auth is as it was
SELECT is_empty($$ SELECT line FROM spec.catalog_before WHERE line NOT LIKE 'function auth.auth.uid()%' EXCEPT SELECT spec.catalog() $$, 'auth''s tables and all that was there are as they were');
SELECT is((SELECT (proowner::regrole, md5(prosrc) = (SELECT md5($$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$)), proconfig IS NULL)::text FROM pg_proc WHERE oid = 'auth.uid()'::regprocedure), '(supabase_auth_admin,t,t)', 'auth.uid() is theirs');
SELECT ok(has_function_privilege(role, 'auth.uid()', 'EXECUTE'), role || ' may still ask auth.uid()') FROM unnest('{anon,authenticated,service_role}'::text[]) AS role;
SELECT set_eq($$ SELECT spec.catalog('{auth}') EXCEPT SELECT line FROM spec.catalog_before EXCEPT SELECT line FROM spec.catalog('{auth}') AS line WHERE line LIKE 'function auth.auth.uid()%' $$,
    ARRAY['trigger CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION handle_new_user()'], 'all that is new in auth is the document''s trigger');
SELECT is((SELECT string_agg(email, ',') FROM auth.users), 'before@example.org', 'its rows are as they were');
SELECT is_empty($$ SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mindmeasure') AND pg_describe_object(classid, objid, objsubid) LIKE '%auth%' $$,
    'and nothing in auth belongs to the extension');

-- roles
SELECT ok(pg_has_role('authenticated', 'mindmeasure_user', 'USAGE'), 'authenticated is a user');
SELECT ok(pg_has_role('service_role', 'mindmeasure_system', 'USAGE'), 'service_role is the system');
SELECT ok(NOT pg_has_role('authenticated', role, 'MEMBER'), 'authenticated is not ' || role) FROM unnest('{mindmeasure_system,mindmeasure_owner,mindmeasure_auditor}'::text[]) AS role;
SELECT ok(NOT pg_has_role('service_role', role, 'MEMBER'), 'service_role is not ' || role) FROM unnest('{mindmeasure_user,mindmeasure_owner,mindmeasure_auditor}'::text[]) AS role;
SELECT is_empty($$ SELECT rolname FROM pg_roles WHERE rolname LIKE 'mindmeasure%' AND pg_has_role('anon', oid, 'MEMBER') $$, 'anon is none of them');
SELECT ok(NOT rolinherit, 'authenticator still does not inherit') FROM pg_roles WHERE rolname = 'authenticator';

-- anon, and what the default privileges would have given
CREATE VIEW spec.ours AS SELECT oid, oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND pg_get_userbyid(relowner) = 'mindmeasure_owner';
SELECT is((SELECT count(*) FROM spec.ours), 23::bigint, 'twenty-three tables are ours');
SELECT is_empty($$ SELECT name, p FROM spec.ours CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p WHERE has_table_privilege('anon', oid, p) OR p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege('anon', oid, p) $$,
    'anon has no privilege on any of our tables');
SELECT is_empty($$ SELECT name, p FROM spec.ours CROSS JOIN unnest('{TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p CROSS JOIN unnest('{authenticated,service_role}'::text[]) AS role WHERE has_table_privilege(role, oid, p) $$,
    'nor authenticated or service_role more than a user''s and the system''s');
SELECT is_empty($$ SELECT name, p FROM spec.ours CROSS JOIN unnest('{INSERT,UPDATE,DELETE}'::text[]) AS p WHERE has_table_privilege('authenticated', oid, p) AND NOT has_table_privilege('mindmeasure_user', oid, p) $$, 'authenticated may write what a user may');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
       WHERE has_function_privilege('anon', p.oid, 'EXECUTE') OR has_function_privilege('authenticated', p.oid, 'EXECUTE') AND NOT has_function_privilege('mindmeasure_user', p.oid, 'EXECUTE')
          OR has_function_privilege('service_role', p.oid, 'EXECUTE') AND NOT has_function_privilege('mindmeasure_system', p.oid, 'EXECUTE') $$,
    'anon may call none of our functions, authenticated those of a user, service_role those of the system');

-- the life of a request
SET LOCAL ROLE supabase_auth_admin;
INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES (spec.alice(), 'alice@example.org', '{"first_name": "Alice"}'), (spec.bob(), 'bob@example.org', NULL);
RESET ROLE;
SELECT is((SELECT first_name FROM profiles WHERE user_id = spec.alice()), 'Alice', 'a sign-up by supabase_auth_admin makes a profile');
SELECT is(spec.say('SELECT string_agg(display_name, '','') FROM profiles', 'authenticated', spec.alice()), 'alice@example.org', 'authenticated sees the person''s own profile');
SELECT is(spec.say('INSERT INTO assessment_sessions (id, assessment_type) VALUES (''00000000-0000-4000-8000-000000000002'', ''quick'') RETURNING user_id', 'authenticated', spec.alice()), spec.alice()::text, 'creates a session');
SELECT is(spec.outcome('INSERT INTO text_analysis (session_id) VALUES (''00000000-0000-4000-8000-000000000002'')', 'authenticated', spec.alice()), 'refused', 'stores no analysis');
SELECT is(spec.act('INSERT INTO text_analysis (session_id, text_wellness_score) VALUES (''00000000-0000-4000-8000-000000000002'', 40)', 'service_role'), 1::bigint, 'service_role stores an analysis');
SET LOCAL mindmeasure.settle_interval = 0;
SELECT is(spec.say('SELECT mm_fuse_pending()', 'service_role'), '1', 'and scores what is waiting');
SELECT is(spec.outcome('SELECT FROM fusion_outputs', 'authenticated', spec.alice()), '1', 'authenticated sees the score');
SELECT is(spec.outcome('SELECT FROM fusion_outputs', 'authenticated', spec.bob()), '0', 'another person does not');
SELECT is(spec.outcome('SELECT FROM audio_analysis', 'authenticated', spec.alice()), 'refused', 'nor anybody the analyses of voice');
SELECT is(spec.outcome(statement, 'anon', spec.alice()), 'refused', 'anon: ' || statement || ' is refused')
FROM unnest(ARRAY['SELECT FROM profiles', 'SELECT FROM fusion_outputs', 'INSERT INTO assessment_sessions DEFAULT VALUES', 'SELECT mm_fuse_session(''00000000-0000-4000-8000-000000000002'')', 'SELECT mm_json_schema(''mood'')', 'TRUNCATE profiles']) AS statement;
-- BYPASSRLS is Supabase's own choice for service_role; what the row refuses it refuses it too.
SELECT is(spec.outcome('UPDATE assessment_sessions SET created_at = ''2020-01-01''', 'service_role'), '23514', 'service_role cannot rewrite identities either');

SELECT * FROM finish();
ROLLBACK;
