-- The rules of Supabase's database linter find nothing in what the extension makes; and each of them
-- finds what it is for.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/linter.psql

CREATE FUNCTION spec.findings(rule text) RETURNS SETOF text LANGUAGE plpgsql
    AS $$ BEGIN RETURN QUERY EXECUTE format('SELECT finding::text FROM lint.%I ORDER BY 1', rule); END $$;

-- What is meant to be so.
CREATE TABLE spec.allowed (rule text, finding text, reason text);
INSERT INTO spec.allowed VALUES
    ('no_primary_key', 'audit_log', 'append-only: nobody looks a line up by its number, and every write would pay for the index'),
    ('function_search_path_mutable', 'mm_encrypt_existing(integer)', 'a procedure that commits: its first statement sets search_path, and again after each COMMIT'),
    ('function_search_path_mutable', 'auth.uid()', 'reads the backend''s memory and looks no name up'),
    ('function_search_path_mutable', 'mm_current_person()', 'the same'),
    ('function_search_path_mutable', 'mm_identity_is_verified()', 'the same'),
    ('function_search_path_mutable', 'mm_session_time(uuid)', 'opens one table of ours and looks no name up'),
    ('security_definer_function_executable', 'mm_own_rate(uuid)', 'one''s own rate; who calls is checked first'),
    ('extension_in_public', 'mindmeasure', 'the schema of the document; a schema of its own is a word in CREATE EXTENSION'),
    ('duplicate_index', 'idx_scores_session, mind_measure_scores_session_id_key', 'the document''s own index, plain as it is written there, beside the key that makes a session''s score one'),
    ('security_definer_function_executable', 'mm_fuse_session(uuid,boolean)', 'scores one''s own session; who calls is checked first'),
    ('security_definer_function_executable', 'mm_record_outcome(uuid,boolean,text)', 'one''s own word, always as self_report; who calls is checked first'),
    ('security_definer_function_executable', 'mm_export_user(uuid)', 'one''s own rows; who calls is checked first'),
    ('security_definer_function_executable', 'mm_export_user_rows(uuid)', 'one''s own rows; who calls is checked first'),
    ('security_definer_function_executable', 'mm_admit_person(uuid)', 'asked by the guards of what a person inserts'),
    ('security_definer_function_executable', 'mm_end_break_glass(uuid)', 'ends what somebody may read of oneself; who calls is checked');

SELECT is_empty(
    format('SELECT spec.findings(%L) EXCEPT SELECT finding FROM spec.allowed WHERE rule = %L', rule, rule),
    format('%s: nothing but what is meant', rule))
FROM (SELECT relname::text AS rule FROM pg_class WHERE relnamespace = 'lint'::regnamespace AND relname !~ '^lint_' ORDER BY 1) AS r;

-- Every rule finds what breaks it: each statement is said, looked at, and taken back.
CREATE FUNCTION spec.finds(rule text, breach text) RETURNS boolean LANGUAGE plpgsql
    AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE breach;
    SELECT count(*) INTO found FROM (SELECT spec.findings(rule) EXCEPT SELECT a.finding FROM spec.allowed AS a WHERE a.rule = finds.rule) AS more;
    RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0', DETAIL = found;
EXCEPTION WHEN SQLSTATE 'SPEC0' THEN
    GET STACKED DIAGNOSTICS breach = PG_EXCEPTION_DETAIL;
    RETURN breach::bigint = 1;
END;
$$;
CREATE TABLE spec.breaches (rule text, breach text);
INSERT INTO spec.breaches VALUES
    ('unindexed_foreign_keys', 'DROP INDEX idx_text_analysis_session'),
    ('unindexed_foreign_keys', 'CREATE TABLE note (user_id uuid PRIMARY KEY, session_id uuid, FOREIGN KEY (session_id, user_id) REFERENCES session_keys (id, user_id))'),
    ('auth_users_exposed', 'CREATE VIEW people AS SELECT id FROM auth.users'),
    ('beyond_row_security', 'CREATE MATERIALIZED VIEW means AS SELECT avg(score) FROM fusion_outputs'),
    ('auth_rls_initplan', 'CREATE POLICY "bare" ON profiles FOR DELETE TO mindmeasure_user USING (auth.uid() = user_id)'),
    ('auth_rls_initplan', 'CREATE POLICY "half" ON profiles FOR DELETE TO mindmeasure_user USING ((SELECT auth.uid()) = user_id AND auth.uid() IS NOT NULL)'),
    ('auth_rls_initplan', 'CREATE POLICY "bare" ON profiles FOR DELETE TO mindmeasure_user USING (current_setting(''a.b'') = user_id::text)'),
    ('no_primary_key', 'CREATE TABLE note (user_id uuid)'),
    ('multiple_permissive_policies', 'CREATE POLICY "another" ON profiles FOR SELECT TO mindmeasure_user USING (false)'),
    ('policy_exists_rls_disabled', 'ALTER TABLE session_keys DISABLE ROW LEVEL SECURITY'),
    ('rls_disabled', 'ALTER TABLE profiles DISABLE ROW LEVEL SECURITY'),
    ('rls_enabled_no_policy', 'GRANT SELECT ON assessment_sessions_archive_default TO mindmeasure_user'),
    ('duplicate_index', 'CREATE INDEX again ON profiles (created_at)'),
    ('security_definer_view', 'CREATE VIEW mine AS SELECT * FROM profiles'),
    ('function_search_path_mutable', 'CREATE FUNCTION loose() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
    ('open_to_everybody', 'CREATE POLICY "open" ON profiles FOR DELETE USING ((SELECT auth.uid()) = user_id)'),
    ('open_to_everybody', 'GRANT SELECT ON mm_models TO PUBLIC'),
    ('open_to_everybody', 'GRANT EXECUTE ON FUNCTION mm_migrate() TO PUBLIC'),
    ('rls_references_user_metadata', 'CREATE POLICY "meta" ON profiles FOR DELETE TO mindmeasure_user USING (EXISTS (SELECT FROM auth.users WHERE raw_user_meta_data ? ''admin''))'),
    ('unsupported_reg_types', 'ALTER TABLE profiles ADD COLUMN f regprocedure'),
    ('fkey_to_auth_unique', 'ALTER TABLE auth.users ADD UNIQUE (email); ALTER TABLE profiles ADD COLUMN email text REFERENCES auth.users (email)'),
    ('rls_policy_always_true', 'CREATE POLICY "all" ON profiles FOR DELETE TO mindmeasure_user USING (true)'),
    ('security_definer_function_executable', 'GRANT EXECUTE ON FUNCTION mm_rescore_user(uuid) TO mindmeasure_user'),
    ('security_definer_owner', 'ALTER FUNCTION mm_fuse_session(uuid, boolean) OWNER TO postgres'),
    ('invalid_index', 'UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''idx_sessions_status''::regclass'),
    ('rls_policy_null_auth_disjunct', 'CREATE POLICY "null" ON profiles FOR DELETE TO mindmeasure_user USING ((SELECT auth.uid()) IS NULL OR (SELECT auth.uid()) = user_id)'),
    ('autovacuum_disabled', 'ALTER TABLE profiles SET (autovacuum_enabled = false)');
SELECT ok(spec.finds(rule, breach), format('%s finds: %s', rule, breach)) FROM spec.breaches;
SELECT set_eq('SELECT DISTINCT rule FROM spec.breaches',
    $$SELECT relname::text FROM pg_class WHERE relnamespace = 'lint'::regnamespace AND relname !~ '^lint_' AND relname <> 'extension_in_public'$$,
    'every rule has been seen to find something');

-- Installed into a schema of its own, the rules that hang on the schema find nothing either.
DROP SCHEMA lint CASCADE;
SELECT lives_ok('DROP EXTENSION mindmeasure CASCADE', 'given the extension is taken off');
SELECT lives_ok(format('DROP TABLE %s CASCADE', string_agg(c.oid::regclass::text, ', ')), 'with its tables')
FROM pg_class AS c WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
CREATE SCHEMA "Odd Name";
SELECT lives_ok('CREATE EXTENSION mindmeasure SCHEMA "Odd Name"', 'and made in a schema of its own');
\ir lib/linter.psql
SELECT is_empty('SELECT finding FROM lint.extension_in_public', 'extension_in_public: nothing in a schema of its own');
SELECT is_empty(format('SELECT regexp_replace(spec.findings(%L), ''^"Odd Name"\.'', '''') EXCEPT SELECT finding FROM spec.allowed WHERE rule = %L', rule, rule),
    format('%s: nothing but what is meant, in a schema of its own', rule))
FROM (SELECT relname::text AS rule FROM pg_class WHERE relnamespace = 'lint'::regnamespace AND relname !~ '^lint_' ORDER BY 1) AS r;
SELECT * FROM finish();
ROLLBACK;
