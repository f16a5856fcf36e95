-- mm_uninstall(): the extension goes, every row stays, row-level security stays on; CREATE EXTENSION
-- puts everything back as it was. Each statement commits: the database is this file's own.
SET client_min_messages = warning;
SELECT * FROM no_plan();
\ir lib/lives.psql
-- Every column, constraint, index, policy, trigger, grant and owner of the tables, and of auth.users.
CREATE FUNCTION pg_temp.shape() RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH t AS (SELECT c.* FROM pg_class AS c WHERE c.relkind IN ('r', 'p') AND (c.relnamespace = 'public'::regnamespace OR c.oid = 'auth.users'::regclass))
    SELECT format('%s %s %s %s', t.oid::regclass, t.relrowsecurity, t.relacl, t.relowner::regrole) FROM t
    UNION ALL SELECT format('%s %s %s %s %s', t.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
        FROM t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 LEFT JOIN pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = a.attnum
    UNION ALL SELECT format('%s %s %s', t.oid::regclass, c.conname,
        -- A check that is not asked of old rows is made anew on every partition.
        replace(pg_get_constraintdef(c.oid), ' NOT VALID', '')) FROM t JOIN pg_constraint AS c ON c.conrelid = t.oid
    -- Written out and read in again, a condition loses parentheses that mean nothing.
    UNION ALL SELECT translate(pg_get_triggerdef(g.oid), '()', '') FROM t JOIN pg_trigger AS g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
    UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM t JOIN pg_index AS i ON i.indrelid = t.oid
    UNION ALL SELECT format('%s %s %s %s %s %s', t.oid::regclass, p.polname, p.polcmd, p.polroles::regrole[], pg_get_expr(p.polqual, t.oid), pg_get_expr(p.polwithcheck, t.oid)) FROM t JOIN pg_policy AS p ON p.polrelid = t.oid
$$;
CREATE TABLE public.mine (id int, note text CHECK (mm_validate_json('mood', 'note', NULL)));
CREATE POLICY mine ON public.mine AS RESTRICTIVE FOR UPDATE TO mindmeasure_user, mindmeasure_auditor USING (mm_json_schema('mood') IS NOT NULL) WITH CHECK (id > 0);
CREATE TEMP TABLE shape_was AS SELECT * FROM pg_temp.shape() AS line;
CREATE TEMP TABLE was AS SELECT * FROM pg_temp.rows(pg_temp.ann()) UNION ALL SELECT * FROM pg_temp.rows(pg_temp.ann(), false, '{row_history}');
SELECT throws_ok('DROP EXTENSION mindmeasure', '2BP01', NULL, 'given the tables hold the extension');

SELECT cmp_ok(mm_uninstall(), '>', 50::bigint, 'when it is taken off');
SELECT lives_ok('DROP EXTENSION mindmeasure', 'then DROP EXTENSION goes through, without CASCADE');
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^mm_' AND pronamespace = 'public'::regnamespace $$, 'its functions are gone');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann()) UNION ALL SELECT * FROM pg_temp.rows(pg_temp.ann(), false, ''{row_history}'')', 'SELECT * FROM was', 'every row is there');
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relowner = 'mindmeasure_owner'::regrole AND NOT relrowsecurity $$, 'row-level security is on everywhere');
CREATE FUNCTION pg_temp.as_user(person uuid, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM set_config('request.jwt.claim.sub', person::text, true), set_config('role', 'mindmeasure_user', true);
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.as_user(pg_temp.ann(), 'SELECT count(*) FROM public.assessment_sessions'), '8', 'people still see their own');
SELECT is(pg_temp.as_user(pg_temp.ann(), 'SELECT count(*) FROM public.audio_analysis'), '42501', 'and no more than before');
SELECT is(pg_temp.as_user(pg_temp.ann(), 'INSERT INTO public.assessment_sessions (user_id) VALUES (''00000000-0000-4000-8000-000000000001'') RETURNING 1'), '23503', 'a session cannot be made without its identity: nothing slips in unguarded');
INSERT INTO auth.users (id) VALUES (pg_temp.person_id(9));
UPDATE profiles SET display_name = 'meanwhile' WHERE user_id = pg_temp.ann();

-- and back again
SELECT clock_timestamp() AS before \gset
SELECT lives_ok('CREATE EXTENSION mindmeasure', 'CREATE EXTENSION in the same schema is taken back on');
SELECT set_eq('SELECT * FROM pg_temp.shape()', 'SELECT line FROM shape_was', 'everything is as it was: constraints, triggers, policies, what others had built with it, too');
SELECT is((SELECT display_name FROM profiles WHERE user_id = pg_temp.ann()), 'meanwhile', 'with the rows as they are now');
SELECT is((SELECT count(*) FROM mm_migrate()), 0::bigint, 'no migration runs twice');
SELECT throws_ok(format('SELECT * FROM backup_restore_user_data(pg_temp.ann(), %L)', :'before'), '22023', NULL, 'history begins anew: what changed meanwhile was not recorded');
UPDATE profiles SET display_name = 'after' WHERE user_id = pg_temp.ann();
SELECT is((SELECT count(*) FROM row_history WHERE row_before ->> 'display_name' = 'meanwhile'), 1::bigint, 'and goes on');
SELECT is((SELECT count(*) FROM mm_fuse_session(pg_temp.session_id(1, 12), true)), 1::bigint, 'scoring goes on');

-- rows that meanwhile became what is not allowed
SELECT mm_uninstall() AS taken_off \gset
DROP EXTENSION mindmeasure;
UPDATE profiles SET display_name = repeat('x', 201) WHERE user_id = pg_temp.ann();
SELECT throws_ok('CREATE EXTENSION mindmeasure', '23514', 'display_name: must be at most 200 characters', 'rows that do not pass the checks keep it off, and are named');
UPDATE profiles SET display_name = 'short' WHERE user_id = pg_temp.ann();
SELECT lives_ok('CREATE EXTENSION mindmeasure', 'put right, it is put on');
SELECT set_eq('SELECT * FROM pg_temp.shape()', 'SELECT line FROM shape_was', 'as it was');

-- names of somebody else's are still not taken
SELECT mm_uninstall() AS taken_off \gset
DROP EXTENSION mindmeasure;
CREATE FUNCTION public.handle_new_user() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT throws_ok('CREATE EXTENSION mindmeasure', '42710', NULL, 'a function of somebody else''s with one of its names stops it');
DROP FUNCTION public.handle_new_user();
SELECT lives_ok('CREATE EXTENSION mindmeasure', 'without it, it goes through');

-- with the data
SELECT throws_ok('SELECT mm_uninstall(NULL)', '22004', NULL, 'NULL is no answer');
CREATE TABLE public.holding (user_id uuid REFERENCES profiles (user_id));
SELECT throws_ok('SELECT mm_uninstall(drop_data => true)', '2BP01', NULL, 'what others have built on the tables keeps them');
SELECT is((SELECT count(*) FROM assessment_sessions), 16::bigint, 'as a whole');
DROP TABLE public.holding;
BEGIN;
SET LOCAL ROLE mindmeasure_system;
SELECT throws_ok('SELECT mm_uninstall()', '42501', NULL, 'the system may not');
ROLLBACK;
SELECT ok(mm_uninstall(drop_data => true) > 50, 'when the data are dropped, too');
SELECT lives_ok('DROP EXTENSION mindmeasure', 'then DROP EXTENSION goes through');
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relowner = 'mindmeasure_owner'::regrole AND relkind IN ('r', 'p') $$, 'no table is left');
SELECT is((SELECT count(*) FROM auth.users), 3::bigint, 'but the accounts are');
DROP TABLE public.mine;
SELECT lives_ok('CREATE EXTENSION mindmeasure', 'and a new one can be made');
SELECT * FROM finish();
