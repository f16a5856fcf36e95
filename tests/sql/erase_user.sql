-- mm_erase_user(): nothing of a person is left anywhere, and nothing brings them back. Each statement
-- commits: the database is this file's own.
SET client_min_messages = warning;
SELECT * FROM no_plan();
\ir lib/lives.psql
CREATE TEMP TABLE was AS SELECT * FROM pg_temp.rows(pg_temp.ann());
CREATE TEMP TABLE others AS SELECT * FROM pg_temp.rows(pg_temp.ann(), false);
-- given tables of somebody else's that refer to ours
CREATE TABLE public.theirs (user_id uuid REFERENCES profiles (user_id) ON DELETE SET NULL, note text);
GRANT SELECT, DELETE ON public.theirs TO mindmeasure_owner;
CREATE TABLE public.cascading (session uuid REFERENCES session_keys (id) ON DELETE CASCADE);
INSERT INTO public.theirs VALUES (pg_temp.ann(), 'hers'), (pg_temp.ben(), 'his');
INSERT INTO public.cascading VALUES (pg_temp.session_id(1, 1)), (pg_temp.session_id(2, 1));

-- nothing goes where not all can go
CREATE TABLE public.blocking (session uuid REFERENCES session_keys (id));
INSERT INTO public.blocking VALUES (pg_temp.session_id(1, 1));
SELECT throws_ok('SELECT mm_erase_user(pg_temp.ann(), ''test'')', '23503', NULL, 'a table that holds on to a row stops it');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann())', 'SELECT * FROM was', 'as a whole');
DROP TABLE public.blocking;
CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON text_analysis FOR EACH ROW WHEN (OLD.session_id = '00000001-0000-4000-8000-000000000001') EXECUTE FUNCTION public.keep();
SELECT throws_ok('SELECT mm_erase_user(pg_temp.ann(), ''test'')', '09000', NULL, 'rows that a trigger keeps are noticed');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann())', 'SELECT * FROM was', 'and nothing is erased then');
DROP TRIGGER keep ON text_analysis;
SELECT is((SELECT count(*) FROM erasure_log), 0::bigint, 'nor is there a tombstone');

-- what a reason may be
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN EXECUTE statement; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM; END $$;
SELECT matches(pg_temp.refusal(format('SELECT mm_erase_user(pg_temp.ann(), %L)', reason)), wanted, coalesce(left(reason, 30), 'NULL') || ' is no reason')
FROM (VALUES (NULL, '^22004'), ('', '^23514 reason'), ('ann@example.org', '^23514 reason'), ('asked, "please"', '^23514 reason'), (repeat('x', 101), '^23514 reason'), ('for ' || pg_temp.ann(), '^22023 reason')) AS r (reason, wanted);
SELECT matches(pg_temp.refusal('SELECT mm_erase_user(NULL, ''test'')'), '^22004', 'nor is nobody a person');

-- when she is erased
SELECT mm_export_user(pg_temp.ann()) AS document \gset
CREATE TEMP TABLE erased AS SELECT * FROM mm_erase_user(pg_temp.ann(), 'user request #17');
SELECT is((SELECT sum(rows) FROM pg_temp.rows(pg_temp.ann())), 0::numeric, 'then no table of ours has a row of hers');
SELECT is((SELECT count(*) FROM pg_class AS c CROSS JOIN LATERAL query_to_xml(format('SELECT 1 FROM %s AS x WHERE x::text LIKE ''%%%s000000000001%%'' OR x::text LIKE ''%%ann@%%''',
        -- The audit keeps the ids of rows that are gone, which here end like hers.
        c.oid::regclass, CASE WHEN c.relname LIKE 'audit_log%' THEN '00000000-0000-4000-8000-' END), false, true, '') AS x
    WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'auth'::regnamespace) AND x::text <> ''), 0::bigint, 'and no row of any table mentions her id or address');
SELECT set_eq('SELECT table_name, erased FROM erased WHERE erased > 0 AND table_name <> ''audit_subjects''', 'SELECT relation, rows FROM was WHERE rows > 0 UNION VALUES (''theirs'', 1::bigint), (''auth.users'', 1)', 'it says how many rows went from where');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann(), false)', 'SELECT * FROM others', 'nobody else''s row has changed');
SELECT is((SELECT format('%s %s', (SELECT count(*) FROM public.theirs), (SELECT count(*) FROM public.cascading))), '1 1', 'what refers to hers is gone, what refers to his is there');
SELECT is((SELECT count(*) FROM auth.users), 1::bigint, 'so is her account');
SELECT is((SELECT format('%s %s %s %s', reason, person = mm_tombstone(pg_temp.ann()), pending_user_id IS NULL, rows_erased) FROM erasure_log), 'user request #17 t t ' || (SELECT sum(erased) - 1 FROM erased), 'a tombstone says why and how many, not who');

-- nothing brings her back
SELECT is(left(pg_temp.refusal(s.statement), 5), 'MM004', s.what) FROM (VALUES
    ('INSERT INTO assessment_sessions (user_id) VALUES (pg_temp.ann())', 'a new session of hers is refused'),
    ('INSERT INTO profiles (user_id) VALUES (pg_temp.ann())', 'a profile'),
    ('INSERT INTO session_keys (id, user_id, created_at) VALUES (gen_random_uuid(), pg_temp.ann(), now())', 'a session''s identity'),
    ('INSERT INTO user_baselines (user_id, metric_type, baseline_score) VALUES (pg_temp.ann(), ''combined_wellness'', 50)', 'a baseline'),
    ('INSERT INTO user_feature_baselines (user_id, feature_name, mean) VALUES (pg_temp.ann(), ''x'', 1)', 'a feature''s baseline'),
    ('INSERT INTO user_calibration (user_id, modality, a, b, covariance) VALUES (pg_temp.ann(), ''text'', 1, 0, ''{1,0,1}'')', 'a calibration'),
    ('SELECT * FROM backup_restore_user_data(pg_temp.ann(), clock_timestamp())', 'a restore')) AS s (statement, what);
SELECT is(left(pg_temp.refusal(format('SELECT mm_import_user(%L)', :'document')), 5), 'MM004', 'an import');
SELECT is(left(pg_temp.refusal('INSERT INTO text_analysis (session_id) VALUES (pg_temp.session_id(1, 1))'), 5), '23503', 'a late analysis has no session');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT is(left(pg_temp.refusal('INSERT INTO profiles (user_id) VALUES (pg_temp.ann())'), 5), 'MM004', 'under REPEATABLE READ, too');
COMMIT;
INSERT INTO auth.users (id) VALUES (pg_temp.ann());
SELECT is((SELECT count(*) FROM profiles WHERE user_id = pg_temp.ann()), 0::bigint, 'an account with her id is not refused, but has no profile');
SELECT is((SELECT sum(erased) FROM mm_erase_user(pg_temp.ann(), 'again')), 1::numeric, 'erasing her again finds nothing but that account');
SELECT is((SELECT sum(rows) FROM pg_temp.rows(pg_temp.ann())), 0::numeric, 'still nothing is there');

-- deleting the account erases the person
DELETE FROM auth.users WHERE id = pg_temp.ben();
SELECT is((SELECT sum(rows) FROM pg_temp.rows(pg_temp.ben())), 0::numeric, 'when an account is deleted, no row of the person is left');
SELECT is((SELECT reason FROM erasure_log WHERE person = mm_tombstone(pg_temp.ben())), 'account deleted', 'and the tombstone says why');

-- and is never kept from being deleted
INSERT INTO auth.users (id) VALUES (pg_temp.person_id(3));
SELECT pg_temp.add_session(3, 1, now()) AS added \gset
CREATE TABLE public.blocking (session uuid REFERENCES session_keys (id));
INSERT INTO public.blocking VALUES (pg_temp.session_id(3, 1));
SET client_min_messages = error;
DELETE FROM auth.users WHERE id = pg_temp.person_id(3);
SELECT is((SELECT count(*) FROM auth.users), 0::bigint, 'the account goes although a row of the person cannot');
SELECT is((SELECT pending_user_id FROM erasure_log WHERE erased_at IS NULL), pg_temp.person_id(3), 'what is left to do is noted');
SELECT is(left(pg_temp.refusal('INSERT INTO assessment_sessions (user_id) VALUES (pg_temp.person_id(3))'), 5), 'MM004', 'nothing new comes meanwhile');
SELECT throws_ok('SELECT mm_finish_erasures()', '23503', NULL, 'finishing it says what is in the way');
DROP TABLE public.blocking;
SELECT is(mm_finish_erasures(), 1::bigint, 'and does it when that is gone');
SELECT is((SELECT count(*) FROM session_keys), 0::bigint, 'nothing is left');
SELECT is((SELECT count(*) FROM erasure_log WHERE pending_user_id IS NOT NULL), 0::bigint, 'and the note forgets who it was');

-- a backup that is older than an erasure was restored; erasure_log of the newer database is put in
SET session_replication_role = replica;
INSERT INTO profiles (user_id) VALUES (pg_temp.ann());
INSERT INTO session_keys (id, user_id, created_at) VALUES (pg_temp.session_id(2, 1), pg_temp.ben(), now());
SET session_replication_role = origin;
INSERT INTO auth.users (id) VALUES (pg_temp.person_id(4));
SELECT is(mm_repeat_erasures(), 2::bigint, 'erasures are repeated after restoring an older backup');
SELECT is((SELECT string_agg(user_id::text, ' ') FROM profiles), pg_temp.person_id(4)::text, 'of those who were erased only');

-- who may
CREATE FUNCTION pg_temp.as_user(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.jwt.claim.sub', '00000000-0000-4000-8000-000000000004', true), set_config('role', 'mindmeasure_user', true);
    EXECUTE statement; RETURN 'done';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
SELECT is(pg_temp.as_user(s), '42501', 'a user may not: ' || s) FROM unnest(ARRAY[
    'SELECT mm_erase_user(''00000000-0000-4000-8000-000000000004'', ''test'')', 'SELECT mm_finish_erasures()', 'SELECT mm_repeat_erasures()',
    'SELECT mm_close_person(''00000000-0000-4000-8000-000000000004'')', 'SELECT mm_erase_rows(''00000000-0000-4000-8000-000000000004'')',
    'SELECT * FROM mm_restore_plan(''00000000-0000-4000-8000-000000000004'', now())', 'SELECT FROM row_history', 'SELECT FROM erasure_log']) AS s;
SELECT * FROM finish();
