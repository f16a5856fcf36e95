-- database: bare
-- CREATE EXTENSION into a schema where names are taken stops with one error that names them all,
-- before anything has been changed; a schema of its own, whatever its name, works beside them.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/catalog.psql

-- given an application with profiles of its own, made at sign-up
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text, raw_user_meta_data jsonb);
CREATE TABLE public.profiles (user_id uuid PRIMARY KEY, theirs text);
CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN INSERT INTO public.profiles VALUES (NEW.id, 'theirs'); RETURN NEW; END; $$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
CREATE TABLE spec.catalog_before AS SELECT * FROM spec.catalog() AS line;

-- when the extension is made in the same schema
CREATE TABLE spec.refused AS SELECT * FROM spec.attempt('CREATE EXTENSION mindmeasure');
SELECT is(state, '42710', 'CREATE EXTENSION is refused') FROM spec.refused;
SELECT matches(message, 'in schema public: these names are taken: function public.handle_new_user\(\), table public.profiles$', 'in one error that names every clash') FROM spec.refused;
SELECT matches(hint, 'CREATE SCHEMA mindmeasure; CREATE EXTENSION mindmeasure SCHEMA mindmeasure;', 'with a hint that can be typed in') FROM spec.refused;
SELECT set_eq('SELECT spec.catalog() EXCEPT SELECT ''relation spec.refused''', 'SELECT line FROM spec.catalog_before', 'and nothing has changed');

-- every kind of name that is made counts
SELECT matches((spec.attempt(format('DO $do$ BEGIN %s; CREATE EXTENSION mindmeasure SCHEMA elsewhere; END $do$', c.statement))).message, 'these names are taken: .*' || c.named, 'a taken name is named: ' || c.named)
FROM (VALUES
    ('CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.fusion_outputs ()', 'elsewhere.fusion_outputs'),
    ('CREATE SCHEMA elsewhere; CREATE VIEW elsewhere.user_baselines AS SELECT 1', 'elsewhere.user_baselines'),
    ('CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.assessment_sessions_archive_default ()', 'elsewhere.assessment_sessions_archive_default'),
    ('CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.t (a int); CREATE INDEX idx_sessions_user_id ON elsewhere.t (a)', 'elsewhere.idx_sessions_user_id'),
    ('CREATE SCHEMA elsewhere; CREATE FUNCTION elsewhere.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NEW; END $f$', 'elsewhere.update_updated_at_column\(\)'),
    ('CREATE SCHEMA elsewhere; CREATE FUNCTION elsewhere.mm_fuse_session(text) RETURNS int LANGUAGE sql AS $f$ SELECT 1 $f$', 'mm_fuse_session\(text\)')) AS c (statement, named);

-- when it is made in a schema of its own
CREATE SCHEMA mindmeasure;
SELECT lives_ok('CREATE EXTENSION mindmeasure SCHEMA mindmeasure', 'CREATE EXTENSION mindmeasure SCHEMA mindmeasure works beside them');
SELECT is_empty($$ SELECT line FROM spec.catalog_before EXCEPT SELECT spec.catalog() $$, 'nothing that was there has changed');
SELECT set_eq(
    $$ SELECT line FROM spec.catalog('{public,auth}') AS line WHERE line !~ '^function auth\.auth\.uid\(\)' EXCEPT SELECT line FROM spec.catalog_before $$,
    ARRAY['trigger CREATE TRIGGER mindmeasure_on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION mindmeasure.handle_new_user()',
          'trigger CREATE TRIGGER on_auth_user_deleted AFTER DELETE ON auth.users FOR EACH ROW EXECUTE FUNCTION mindmeasure.mm_erase_with_account()'],
    'and all that has been added outside the schema, beside the missing auth.uid(), are the triggers for sign-ups, under another name, and deleted accounts');
INSERT INTO auth.users (id, email) VALUES (spec.alice(), 'alice@example.org');
SELECT is((SELECT theirs FROM public.profiles WHERE user_id = spec.alice()), 'theirs', 'a sign-up fills their profiles');
SELECT is((SELECT display_name FROM mindmeasure.profiles WHERE user_id = spec.alice()), 'alice@example.org', 'and ours');

-- the list of names in sql/bootstrap.sql, as it is installed, is what is really made
CREATE FUNCTION spec.listed(text) RETURNS SETOF text LANGUAGE sql
    AS $$ SELECT m[1] FROM regexp_matches((regexp_match($1, 'CONSTANT text\[\] := ARRAY\[(.*?)\];'))[1], '''([^'']+)''', 'g') AS m $$;
CREATE TABLE spec.bootstrap AS
SELECT pg_read_file(format('%s/extension/mindmeasure--%s.sql', setting, default_version)) AS body
FROM pg_config, pg_available_extensions WHERE pg_config.name = 'SHAREDIR' AND pg_available_extensions.name = 'mindmeasure';
SELECT set_eq(
    $$ SELECT spec.listed(substring(body FROM 'tables CONSTANT.*')) FROM spec.bootstrap $$,
    $$ SELECT relname::text FROM pg_class WHERE relnamespace = 'mindmeasure'::regnamespace AND relkind IN ('r', 'p', 'v') $$,
    'sql/bootstrap.sql lists every table and view that is made, and no other');
-- A key without a name of its own gets a free one from the server.
SELECT set_eq(
    $$ SELECT spec.listed(substring(body FROM 'indexes CONSTANT.*')) FROM spec.bootstrap $$,
    $$ SELECT relname::text FROM pg_class WHERE relnamespace = 'mindmeasure'::regnamespace AND relkind IN ('i', 'I') AND relname !~ '_pkey$' AND NOT relispartition $$,
    'and every index that is made under a name of its own');
SELECT set_eq(
    $$ SELECT spec.listed(substring(body FROM 'functions CONSTANT.*')) FROM spec.bootstrap $$,
    $$ SELECT regexp_replace(p.oid::regprocedure::text, '^.*\.', '') FROM pg_proc AS p WHERE pronamespace = 'mindmeasure'::regnamespace AND proname !~ '^mm_' $$,
    'and every function but those named mm_');
SELECT is_empty($$ SELECT typname FROM pg_type WHERE typnamespace = 'mindmeasure'::regnamespace AND typrelid = 0 AND typelem = 0 $$, 'types of its own it makes none');

-- in a schema whose name needs quoting
DROP EXTENSION mindmeasure CASCADE;
DROP SCHEMA mindmeasure CASCADE;
CREATE SCHEMA "My Schema";
SELECT lives_ok('CREATE EXTENSION mindmeasure SCHEMA "My Schema"', 'a schema whose name needs quoting will do');
SELECT cmp_ok((SELECT count(*) FROM pg_class WHERE relnamespace = '"My Schema"'::regnamespace AND relkind IN ('r', 'p') AND relowner = 'mindmeasure_owner'::regrole), '>=', 19::bigint, 'its tables are there');
INSERT INTO auth.users (id, email) VALUES (spec.bob(), 'bob@example.org');
SELECT is((SELECT display_name FROM "My Schema".profiles WHERE user_id = spec.bob()), 'bob@example.org', 'a sign-up fills its profiles');
SELECT is(spec.say($$ INSERT INTO "My Schema".assessment_sessions (assessment_type) VALUES ('quick') RETURNING user_id $$, 'mindmeasure_user', spec.bob()), spec.bob()::text, 'a user creates a session');
SELECT is(spec.act($$ INSERT INTO "My Schema".text_analysis (session_id, text_wellness_score) SELECT id, 50 FROM "My Schema".assessment_sessions $$, 'mindmeasure_system'), 1::bigint, 'the system stores an analysis');
SELECT is(spec.say('SELECT (f.user_id = spec.bob() AND f.score BETWEEN 0 AND 100)::text FROM "My Schema".assessment_sessions AS s CROSS JOIN LATERAL "My Schema".mm_fuse_session(s.id) AS f', 'mindmeasure_user', spec.bob()), 'true', 'the main job scores it');
SELECT is(spec.say('SELECT "My Schema".mm_rescore_user(spec.bob())', 'mindmeasure_system'), '1', 'and scores it anew');
SELECT is(spec.say('SELECT "My Schema".mm_fuse_pending()', 'mindmeasure_system'), '0', 'the queue has nothing left to do');
SELECT is(spec.outcome('SELECT FROM "My Schema".fusion_outputs', 'mindmeasure_user', spec.alice()), '0', 'another user sees nothing of it');
\ir lib/encryption.psql
SELECT spec.encryption_on();
SELECT is(spec.act('INSERT INTO "My Schema".assessment_sessions (reflection_notes) VALUES (''sealed'')', 'mindmeasure_user', spec.bob()), 1::bigint, 'with a key file a user writes');
SELECT is(spec.say('SELECT string_agg(reflection_notes, '','') FROM "My Schema".assessment_sessions_clear', 'mindmeasure_user', spec.bob()), 'sealed', 'and reads');
SELECT is((SELECT count(*) FROM "My Schema".assessment_sessions WHERE reflection_notes LIKE 'mm_enc:1:%'), 1::bigint, 'what is stored sealed');
SELECT is((SELECT count("My Schema".mm_reveal('assessment_sessions', to_jsonb(s))) FROM "My Schema".assessment_sessions AS s), 2::bigint, 'mm_reveal() finds its way');
SELECT is((SELECT sum(rows) FROM "My Schema".mm_unencrypted_rows()), 0::numeric, 'mm_unencrypted_rows() too');
SELECT is((SELECT last_id IS NOT NULL FROM "My Schema".mm_encrypt_batch('assessment_sessions', NULL, 10)), true, 'and mm_encrypt_batch()');
SELECT is((SELECT remaining FROM "My Schema".mm_rotate_keys()), 0::bigint, 'and mm_rotate_keys()');
SELECT cmp_ok("My Schema".mm_seal_audit(), '>', 3::bigint, 'what was written is in its audit, and sealed');
SELECT is_empty('SELECT * FROM "My Schema".mm_verify_audit("My Schema".mm_audit_head())', 'and stands');
SELECT is(spec.say(format('SELECT count(*) FROM "My Schema".audit_log WHERE action = %L', 'INSERT'), 'mindmeasure_user', spec.bob()) > '2', true, 'a person reads the lines about themself');
SELECT is(spec.say('SELECT "My Schema".mm_break_glass(spec.bob(), ''a complaint, ticket 4711'') > now()', 'mindmeasure_auditor'), 'true', 'an auditor breaks the glass');
SELECT is(spec.outcome('SELECT FROM "My Schema".assessment_sessions', 'mindmeasure_auditor'), '2', 'and reads the sessions');
SELECT is_empty($$ SELECT * FROM "My Schema".mm_doctor() WHERE check_name IN ('row_security', 'public_grants', 'function_owners', 'schema_version', 'audit_sealed', 'partition_grants') AND status <> 'ok' $$, 'mm_doctor() finds everything there');
SELECT is((SELECT count(*) FROM "My Schema".mm_migrate()), 0::bigint, 'mm_migrate() has nothing to apply');


-- and its lifecycle
CREATE INDEX "their idx" ON "My Schema".assessment_sessions (category);
SELECT is(spec.say('INSERT INTO "My Schema".assessment_sessions (user_id, created_at) VALUES (spec.bob(), ''2021-05-05'') RETURNING ''made''', 'mindmeasure_system'), 'made', 'given an old session');
SELECT is(spec.say('SELECT "My Schema".archive_old_sessions()', 'mindmeasure_system'), '1', 'it is archived');
SELECT is("My Schema".mm_partition_sessions(), 'assessment_sessions_before_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', '"y"YYYY"m"MM'), 'sessions are partitioned');
SELECT is(spec.say('SELECT count(*) FROM "My Schema".mm_ensure_partitions() AS m WHERE m ~ ''assessment_sessions''', 'mindmeasure_system'), '3', 'months are made');
SELECT is(spec.say('SELECT "My Schema".mm_ensure_partitions(''2021-05-01'', ''2021-05-01'')', 'mindmeasure_system'), '"My Schema".assessment_sessions_y2021m05', 'old ones too');
SELECT is(spec.say('INSERT INTO "My Schema".assessment_sessions (user_id, created_at) VALUES (spec.bob(), ''2021-05-06'') RETURNING ''made''', 'mindmeasure_system'), 'made', 'given another old one');
SELECT is(spec.say('SELECT "My Schema".mm_apply_retention()', 'mindmeasure_system'), '1', 'retention archives it');
SELECT is((SELECT count(*) FROM "My Schema".assessment_sessions_archive), 2::bigint, 'both are in the archive');

-- one person's life cycle in it
SELECT is(spec.say('SELECT string_agg(key, '' '') FROM jsonb_each("My Schema".mm_export_user(spec.bob()) -> ''tables'') WHERE key IN (''profiles'', ''fusion_outputs'', ''row_history'')', 'mindmeasure_system'), 'profiles row_history fusion_outputs', 'a person is exported');
SELECT is(spec.say('SELECT count(*) > 5 FROM "My Schema".backup_restore_user_data(spec.bob(), clock_timestamp(), true)', 'mindmeasure_system'), 'true', 'what a restore would do is listed');
SELECT is(spec.say('SELECT sum(erased) > 5 FROM "My Schema".mm_erase_user(spec.bob(), ''test'')', 'mindmeasure_system'), 'true', 'the person is erased');
SELECT is(spec.error('INSERT INTO "My Schema".profiles (user_id) VALUES (spec.bob())', 'mindmeasure_system'), 'MM004 user_id: the person has been erased', 'and does not come back');
SELECT ok("My Schema".mm_uninstall() > 50, 'mm_uninstall() takes it off');
SELECT lives_ok('DROP EXTENSION mindmeasure', 'it is dropped');
SELECT lives_ok('CREATE EXTENSION mindmeasure SCHEMA "My Schema"', 'and put on again');

SELECT * FROM finish();
ROLLBACK;
