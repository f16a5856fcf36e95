-- shape: flat
-- Every table, column, key, index, check, policy, trigger and function of the user's document is
-- there under its own name; so is what the design adds; and nothing is open that should not be.
-- Left out: archive_old_sessions(), see archive_sessions.sql; PARTITION OF, see partition_sessions.sql; and
-- backup_restore_user_data().
BEGIN;
SELECT * FROM no_plan();
\ir lib/seed_schema.psql
SET client_min_messages = warning;
CREATE SCHEMA spec;

-- What is there, as text that reads alike for the document's schema and the product's.
CREATE VIEW spec.relations AS
SELECT n.nspname AS schema, c.relname AS name, c.oid, c.relowner, c.relkind, c.relrowsecurity, c.relispartition, c.relacl
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('seed', 'public');
CREATE VIEW spec.columns AS
SELECT r.schema, r.name AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
    coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS value
FROM spec.relations AS r
JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum);
CREATE VIEW spec.functions AS
SELECT p.oid, p.oid::regprocedure::text AS name, p.proowner, p.prosecdef, p.proconfig, p.prokind, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
FROM pg_proc AS p
JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure';

-- given the document --------------------------------------------------------------------
SELECT is_empty(
    $$ SELECT name FROM spec.relations WHERE schema = 'seed' AND name <> 'users' EXCEPT SELECT name FROM spec.relations WHERE schema = 'public' $$,
    'every table of the document is there');

-- assessment_sessions.user_id is stricter than the document on purpose; held below.
SELECT is_empty(format(
    $$ SELECT name, type, not_null, value FROM spec.columns WHERE schema = 'seed' AND relation = %L AND (relation, name) <> ('assessment_sessions', 'user_id')
       EXCEPT SELECT name, type, not_null, value FROM spec.columns WHERE schema = 'public' AND relation = %1$L $$, r.name),
    format('%s has every column of the document with its type, nullability and default', r.name))
FROM spec.relations AS r WHERE r.schema = 'seed' AND r.name NOT IN ('users', 'mind_measure_scores') ORDER BY r.name;

SELECT is_empty(
    $$ SELECT conrelid::regclass::text, regexp_replace(conrelid::regclass::text, '^seed\.', ''), pg_get_constraintdef(oid)
       FROM pg_constraint AS c WHERE connamespace = 'seed'::regnamespace AND contype IN ('p', 'u') AND conrelid <> 'seed.users'::regclass
         AND NOT EXISTS (
           SELECT FROM pg_constraint AS ours
           WHERE ours.conrelid = ('public.' || regexp_replace(c.conrelid::regclass::text, '^seed\.', ''))::regclass
             AND (ours.contype, pg_get_constraintdef(ours.oid)) = (c.contype, pg_get_constraintdef(c.oid))) $$,
    'every primary key and unique constraint of the document is there');

SELECT is_empty(
    $$ SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'seed'::regnamespace AND contype = 'c'
       EXCEPT SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype = 'c' AND convalidated $$,
    'every check constraint of the document is there, word for word');

SELECT is_empty(
    $$ SELECT tablename, indexname, replace(indexdef, ' seed.', ' public.') FROM pg_indexes WHERE schemaname = 'seed' AND indexname LIKE 'idx\_%'
       EXCEPT SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' $$,
    'every index of the document is there: name, table, columns, order, uniqueness');

SELECT is_empty(
    $$ SELECT tablename, policyname, cmd, permissive FROM pg_policies WHERE schemaname = 'seed'
       EXCEPT SELECT tablename, policyname, cmd, permissive FROM pg_policies WHERE schemaname = 'public' $$,
    'every policy of the document is there: name, table, command');

SELECT is_empty(
    $$ SELECT replace(replace(pg_get_triggerdef(t.oid), 'seed.users', 'auth.users'), ' seed.', ' public.')
       FROM pg_trigger AS t JOIN spec.relations AS r ON r.oid = t.tgrelid WHERE r.schema = 'seed' AND NOT t.tgisinternal
       EXCEPT SELECT replace(replace(pg_get_triggerdef(t.oid, false), ' EXECUTE FUNCTION ', ' EXECUTE FUNCTION public.'), 'public.public.', 'public.')
       FROM pg_trigger AS t WHERE NOT t.tgisinternal AND t.tgenabled = 'O' $$,
    'every trigger of the document is there: name, table, timing, event, function');

SELECT is_empty(
    $$ SELECT p.proname, pg_get_function_identity_arguments(p.oid), p.prorettype::regtype::text, l.lanname, p.prosecdef
       FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang WHERE p.pronamespace = 'seed'::regnamespace
       EXCEPT SELECT p.proname, pg_get_function_identity_arguments(p.oid), p.prorettype::regtype::text, l.lanname, p.prosecdef
       FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang WHERE p.pronamespace = 'public'::regnamespace $$,
    'every function of the document is there: name, arguments, result, language, SECURITY DEFINER');

-- given the document's list of columns without types, and the design ---------------------
CREATE TABLE spec.added (relation text, name text, type text, not_null boolean, value text);
INSERT INTO spec.added VALUES
    ('assessment_sessions', 'user_id', 'uuid', true, 'auth.uid()'),
    ('assessment_sessions', 'failure_reason', 'text', false, ''),
    ('session_keys', 'id', 'uuid', true, ''),
    ('session_keys', 'user_id', 'uuid', true, ''),
    ('session_keys', 'created_at', 'timestamp with time zone', true, ''),
    ('text_analysis', 'user_id', 'uuid', true, ''),
    ('audio_analysis', 'user_id', 'uuid', true, ''),
    ('visual_analysis', 'user_id', 'uuid', true, ''),
    ('passive_analysis', 'id', 'uuid', true, 'gen_random_uuid()'),
    ('passive_analysis', 'session_id', 'uuid', true, ''),
    ('passive_analysis', 'user_id', 'uuid', true, ''),
    ('passive_analysis', 'sleep_metrics', 'jsonb', false, ''),
    ('passive_analysis', 'activity_metrics', 'jsonb', false, ''),
    ('passive_analysis', 'device_usage', 'jsonb', false, ''),
    ('passive_analysis', 'passive_wellness_score', 'numeric', false, ''),
    ('passive_analysis', 'processed_at', 'timestamp with time zone', true, 'now()'),
    ('session_insights', 'user_id', 'uuid', true, ''),
    ('fusion_outputs', 'raw_text', 'double precision', false, ''),
    ('fusion_outputs', 'raw_audio', 'double precision', false, ''),
    ('fusion_outputs', 'raw_visual', 'double precision', false, ''),
    ('fusion_outputs', 'raw_passive', 'double precision', false, ''),
    ('fusion_outputs', 'smoothed_variance', 'double precision', true, '0'),
    ('fusion_outputs', 'learnt_modalities', 'text[]', true, '''{}''::text[]'),
    ('fusion_outputs', 'session_created_at', 'timestamp with time zone', true, ''),
    ('mind_measure_scores', 'id', 'uuid', true, 'gen_random_uuid()'),
    ('mind_measure_scores', 'session_id', 'uuid', true, ''),
    ('mind_measure_scores', 'user_id', 'uuid', true, ''),
    ('mind_measure_scores', 'combined_score', 'double precision', true, ''),
    ('mind_measure_scores', 'baseline_deviation', 'double precision', false, ''),
    ('mind_measure_scores', 'is_baseline_session', 'boolean', true, 'false'),
    ('mind_measure_scores', 'baseline_comparison', 'jsonb', false, ''),
    ('mind_measure_scores', 'trend_analysis', 'jsonb', false, ''),
    ('mind_measure_scores', 'calculated_at', 'timestamp with time zone', true, 'now()'),
    ('user_feature_baselines', 'id', 'uuid', true, 'gen_random_uuid()'),
    ('user_feature_baselines', 'user_id', 'uuid', true, ''),
    ('user_feature_baselines', 'feature_name', 'text', true, ''),
    ('user_feature_baselines', 'mean', 'double precision', true, ''),
    ('user_feature_baselines', 'sd', 'double precision', false, ''),
    ('user_feature_baselines', 'created_at', 'timestamp with time zone', true, 'now()'),
    ('user_feature_baselines', 'updated_at', 'timestamp with time zone', true, 'now()'),
    ('user_feature_baselines', 'n', 'double precision', true, '0'),
    ('user_feature_baselines', 'm2', 'double precision', true, '0'),
    ('user_feature_baselines', 'last_observed_at', 'timestamp with time zone', false, ''),
    ('user_feature_baselines', 'modality', 'text', false, ''),
    ('user_calibration', 'id', 'uuid', true, 'gen_random_uuid()'),
    ('user_calibration', 'user_id', 'uuid', true, ''),
    ('user_calibration', 'modality', 'text', true, ''),
    ('user_calibration', 'a', 'double precision', true, ''),
    ('user_calibration', 'b', 'double precision', true, ''),
    ('user_calibration', 'n_points', 'integer', true, '0'),
    ('user_calibration', 'created_at', 'timestamp with time zone', true, 'now()'),
    ('user_calibration', 'updated_at', 'timestamp with time zone', true, 'now()'),
    ('user_calibration', 'covariance', 'double precision[]', true, ''),
    ('user_calibration', 'fitted_at', 'timestamp with time zone', true, 'now()'),
    ('user_calibration', 'own_logit', 'double precision', false, ''),
    ('session_outcomes', 'session_id', 'uuid', true, ''),
    ('session_outcomes', 'user_id', 'uuid', true, ''),
    ('session_outcomes', 'worse', 'boolean', true, ''),
    ('session_outcomes', 'source', 'text', true, '''clinician''::text'),
    ('session_outcomes', 'recorded_at', 'timestamp with time zone', true, 'now()'),
    ('mm_models', 'model_version', 'text', true, ''),
    ('mm_models', 'spec', 'jsonb', true, ''),
    ('mm_models', 'is_active', 'boolean', true, 'false'),
    ('mm_models', 'created_at', 'timestamp with time zone', true, 'now()'),
    ('mm_schema_migrations', 'version', 'integer', true, ''),
    ('mm_schema_migrations', 'description', 'text', true, ''),
    ('mm_schema_migrations', 'checksum', 'text', true, ''),
    ('mm_schema_migrations', 'extension_version', 'text', true, ''),
    ('mm_schema_migrations', 'applied_at', 'timestamp with time zone', true, 'now()');

SELECT is_empty(format(
    $$ SELECT name, type, not_null, value FROM spec.added WHERE relation = %L
       EXCEPT SELECT name, type, not_null, value FROM spec.columns WHERE schema = 'public' AND relation = %1$L $$, relation),
    format('%s has every column of the design with its type, nullability and default', relation))
FROM (SELECT DISTINCT relation FROM spec.added) AS a ORDER BY relation;

SELECT is_empty(
    $$ SELECT name, type FROM spec.columns WHERE schema = 'public' AND relation = 'assessment_sessions'
       EXCEPT SELECT name, type FROM spec.columns WHERE schema = 'public' AND relation = 'assessment_sessions_archive' $$,
    'the archive keeps every column of a session');

CREATE TABLE spec.keys (relation text, definition text);
INSERT INTO spec.keys VALUES
    ('session_keys', 'PRIMARY KEY (id)'),
    ('session_keys', 'UNIQUE (id, user_id)'),
    ('passive_analysis', 'PRIMARY KEY (id)'),
    ('mind_measure_scores', 'PRIMARY KEY (id)'),
    ('mind_measure_scores', 'UNIQUE (session_id) INCLUDE (user_id, combined_score, baseline_deviation)'),
    ('user_feature_baselines', 'PRIMARY KEY (id)'),
    ('user_feature_baselines', 'UNIQUE (user_id, feature_name)'),
    ('user_calibration', 'PRIMARY KEY (id)'),
    ('user_calibration', 'UNIQUE (user_id, modality)'),
    ('session_outcomes', 'PRIMARY KEY (session_id)'),
    ('mm_models', 'PRIMARY KEY (model_version)'),
    ('mm_schema_migrations', 'PRIMARY KEY (version)'),
    ('assessment_sessions', 'FOREIGN KEY (id, user_id) REFERENCES session_keys(id, user_id) ON DELETE CASCADE'),
    ('assessment_sessions_archive', 'FOREIGN KEY (id, user_id) REFERENCES session_keys(id, user_id) ON DELETE CASCADE');
INSERT INTO spec.keys
SELECT t, 'FOREIGN KEY (session_id, user_id) REFERENCES session_keys(id, user_id) ON DELETE CASCADE'
FROM unnest('{text_analysis,audio_analysis,visual_analysis,passive_analysis,fusion_outputs,mind_measure_scores,session_insights,session_outcomes}'::text[]) AS t;
SELECT is_empty(
    $$ SELECT relation, definition FROM spec.keys
       EXCEPT SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE convalidated $$,
    'what belongs to a session has a real foreign key to the session''s identity; keys are as designed');

CREATE TABLE spec.indexes (definition text);
INSERT INTO spec.indexes VALUES
    ('CREATE INDEX idx_fusion_outputs_user_time ON public.fusion_outputs USING btree (user_id, session_created_at DESC, session_id DESC) INCLUDE (p_worse_fused, qc_overall, self_report, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep)'),
    ('CREATE UNIQUE INDEX idx_models_one_active ON public.mm_models USING btree (is_active) WHERE is_active');
INSERT INTO spec.indexes
SELECT format('CREATE INDEX idx_%s_analysis_%s ON public.%1$s_analysis USING btree (%3$s)', m, i.name, format(i.columns, m))
FROM unnest('{text,audio,visual,passive}'::text[]) AS m,
    (VALUES ('session', 'session_id'), ('score', '%s_wellness_score'), ('processed', 'processed_at')) AS i (name, columns);
SELECT is_empty(
    'SELECT definition FROM spec.indexes EXCEPT SELECT indexdef FROM pg_indexes',
    'the analysis tables have the same set of indexes; scores are found by person and time');

SELECT is_empty(
    $$ SELECT c.conrelid::regclass, c.conname FROM pg_constraint AS c
       WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND NOT EXISTS (
           SELECT FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL) $$,
    'all foreign keys are indexed');

SELECT is_empty(
    $$ SELECT r.name FROM spec.relations AS r
       JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attname = 'user_id'
       WHERE r.schema = 'public' AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = r.oid AND i.indkey[0] = a.attnum) $$,
    'every table that belongs to people is indexed by person: policies compare user_id');

-- policies -------------------------------------------------------------------------------
CREATE TABLE spec.policies (relation text, command text, roles text);
INSERT INTO spec.policies
SELECT t, c, 'mindmeasure_user' FROM (VALUES
    ('profiles', '{SELECT,INSERT,UPDATE}'), ('assessment_sessions', '{SELECT,INSERT,UPDATE}'), ('text_analysis', '{SELECT}'),
    ('fusion_outputs', '{SELECT}'), ('mind_measure_scores', '{SELECT}'), ('session_insights', '{SELECT}'), ('session_outcomes', '{SELECT}'),
    ('user_baselines', '{SELECT}'), ('user_calibration', '{SELECT}'), ('assessment_sessions_archive', '{SELECT}'),
    ('audit_log', '{SELECT}'), ('audit_subjects', '{SELECT}'), ('break_glass_grants', '{SELECT}'),
    ('user_feature_baselines', '{SELECT,INSERT,UPDATE}')) AS p (t, commands) CROSS JOIN unnest(commands::text[]) AS c;
SELECT set_eq(
    $$ SELECT tablename::text, cmd, array_to_string(roles, ',') FROM pg_policies WHERE schemaname = 'public' AND 'mindmeasure_user' = ANY (roles) AND tablename <> 'mm_models' $$,
    'SELECT relation, command, roles FROM spec.policies',
    'users have the document''s policies, own rows of what the design shows them, and no more: none on audio, visual and passive analysis');

SELECT is_empty(
    $$ SELECT tablename, policyname, coalesce(qual, with_check) FROM pg_policies
       -- audit_log names people by a pseudonym, which it asks for once a query as well.
       WHERE schemaname = 'public' AND 'mindmeasure_user' = ANY (roles) AND tablename NOT IN ('mm_models', 'audit_log')
         AND (coalesce(qual, with_check) <> '(( SELECT auth.uid() AS uid) = user_id)' OR coalesce(with_check, qual) <> '(( SELECT auth.uid() AS uid) = user_id)') $$,
    'a user''s policy is (SELECT auth.uid()) = user_id: asked once a query, not once a row');

SELECT is_empty(
    $$ SELECT schemaname, tablename, policyname, roles FROM pg_policies
       WHERE schemaname IN ('public', 'auth') AND NOT roles <@ '{mindmeasure_user,mindmeasure_system,mindmeasure_auditor}'::name[]
         -- mm_erase_user() deletes the account, too.
         AND (schemaname, roles) <> ('auth', '{mindmeasure_owner}') $$,
    'every policy names our roles: none is for PUBLIC');

SELECT is_empty(
    $$ SELECT name FROM spec.relations WHERE schema = 'public' AND NOT relrowsecurity
       UNION ALL SELECT 'auth.users' FROM pg_class WHERE oid = 'auth.users'::regclass AND NOT relrowsecurity $$,
    'row-level security is on for every table and every partition');

-- owners, grants, comments ---------------------------------------------------------------
SELECT is_empty(
    $$ SELECT name, relowner::regrole FROM spec.relations WHERE schema = 'public' AND relowner <> 'mindmeasure_owner'::regrole $$,
    'every table is owned by mindmeasure_owner');

SELECT ok(NOT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls, rolname || ' cannot log in, is no superuser and does not bypass row-level security')
FROM pg_roles WHERE rolname LIKE 'mindmeasure\_%' ORDER BY rolname;

SELECT is_empty(
    $$ SELECT name, proowner::regrole FROM spec.functions WHERE prosecdef AND proowner <> 'mindmeasure_owner'::regrole $$,
    'every SECURITY DEFINER function is owned by mindmeasure_owner');

SELECT is_empty(
    -- A procedure that commits may have no SET clause: pgspot watches that all in it is qualified.
    $$ SELECT name, proconfig FROM spec.functions WHERE NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) AND prokind <> 'p'
       -- They and auth.uid(), which is the first of them, look no name up: they read the backend's memory, and one
       -- table that is found by the function's own schema.
       AND name NOT IN ('mm_current_person()', 'mm_identity_is_verified()', 'mm_session_time(uuid)') $$,
    'every function pins search_path');
-- A procedure that commits cannot carry a SET clause: it begins by setting it.
SELECT is_empty(
    $$ SELECT name FROM spec.functions AS f JOIN pg_proc AS p ON p.oid = f.oid
       WHERE p.prokind = 'p' AND (p.prosecdef OR p.prosrc !~ 'BEGIN\s+(--[^\n]*\n\s*)?PERFORM pg_catalog.set_config\(''search_path'', ''pg_catalog, pg_temp'', true\);'
           -- and again after each COMMIT
           OR p.prosrc ~ 'COMMIT;\s*(?!\s|PERFORM pg_catalog.set_config|PERFORM "?\w+"?\.mm_)') $$,
    'every procedure does so first of all, and runs with the caller''s rights');
SELECT is((SELECT prosrc FROM pg_proc WHERE oid = 'auth.uid()'::regprocedure), 'mm_current_person_wrapper', 'auth.uid() is the library''s own');

SELECT is_empty(
    $$ SELECT o.name, a.grantee::regrole, a.privilege_type
       FROM (SELECT name::text, coalesce(relacl, acldefault('r', relowner)) AS acl FROM spec.relations WHERE schema = 'public'
             UNION ALL SELECT r.name || '.' || a.attname, a.attacl FROM spec.relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attacl IS NOT NULL
             UNION ALL SELECT name, acl FROM spec.functions
             UNION ALL SELECT 'auth', coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = 'auth'
             UNION ALL SELECT 'auth.users', coalesce(relacl, acldefault('r', relowner)) FROM pg_class WHERE oid = 'auth.users'::regclass
             UNION ALL SELECT 'auth.uid()', coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid = 'auth.uid()'::regprocedure) AS o
       CROSS JOIN aclexplode(o.acl) AS a
       WHERE a.grantee = 0 OR a.grantee::regrole::text NOT IN ('postgres', 'mindmeasure_owner', 'mindmeasure_user', 'mindmeasure_system', 'mindmeasure_auditor') $$,
    'nothing is granted to PUBLIC, to anon, or to anybody but our roles');

SELECT is_empty(
    $$ SELECT r.name, a.grantee::regrole, a.privilege_type FROM spec.relations AS r CROSS JOIN aclexplode(r.relacl) AS a
       WHERE r.schema = 'public' AND r.relispartition AND a.grantee <> r.relowner $$,
    'nobody but the owner is granted anything on a partition');

SELECT is_empty(
    $$ SELECT r.name, a.grantee::regrole, a.privilege_type FROM spec.relations AS r CROSS JOIN aclexplode(r.relacl) AS a
       WHERE r.schema = 'public' AND a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER') AND a.grantee <> r.relowner $$,
    'nobody but the owner may TRUNCATE, reference or put triggers on a table');

SELECT is_empty(
    $$ SELECT o.name, a.grantee::regrole, a.privilege_type
       FROM (SELECT name::text, relacl AS acl FROM spec.relations WHERE schema = 'public' UNION ALL SELECT name, acl FROM spec.functions) AS o
       CROSS JOIN aclexplode(o.acl) AS a WHERE a.is_grantable AND a.grantee::regrole::text LIKE 'mindmeasure\_%' AND a.grantee <> a.grantor $$,
    'no role can grant on what it was granted');

SELECT is_empty(
    $$ SELECT name::text FROM spec.relations WHERE schema = 'public' AND coalesce(obj_description(oid, 'pg_class'), '') = ''
       UNION ALL SELECT name FROM spec.functions WHERE coalesce(obj_description(oid, 'pg_proc'), '') = '' $$,
    'every table and every function has a comment');

SELECT is_empty(
    $$ SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend AS d
       JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'mindmeasure'
       WHERE d.deptype = 'e' AND d.classid NOT IN ('pg_proc'::regclass, 'pg_event_trigger'::regclass) $$,
    'the extension owns functions and an event trigger only: tables, auth and their like belong to the database, so that pg_dump keeps their rows');

SELECT * FROM finish();
ROLLBACK;
