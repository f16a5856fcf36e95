-- The way back after DROP EXTENSION … CASCADE, as docs/operations.md has it: no row is lost. Each
-- statement commits: the database is this file's own.
SET client_min_messages = warning;
SELECT * FROM no_plan();
\ir lib/lives.psql
UPDATE profiles SET display_name = 'changed' WHERE user_id = pg_temp.ann();
SELECT mm_register_model(jsonb_set(spec, '{model_version}', '"mine"')) AS mine FROM mm_models WHERE is_active \gset
SELECT mm_activate_model('mine') \gset
CREATE TEMP TABLE was AS SELECT * FROM pg_temp.rows(pg_temp.ann()) UNION ALL SELECT * FROM pg_temp.rows(pg_temp.ben());
DROP EXTENSION mindmeasure CASCADE;

\ir ../../docs/after_drop_cascade.sql

SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann()) UNION ALL SELECT * FROM pg_temp.rows(pg_temp.ben())', 'SELECT * FROM was', 'every row of everybody is there, as it was');
SELECT is((SELECT model_version FROM mm_models WHERE is_active), 'mine', 'and the models, with the one that is active');
SELECT is((SELECT count(*) FROM mm_fuse_session(pg_temp.session_id(1, 12), true)), 1::bigint, 'scoring goes on');
SELECT throws_ok('INSERT INTO profiles (user_id, display_name) VALUES (gen_random_uuid(), repeat(''x'', 201))', '23514', NULL, 'checks hold');
SELECT isnt_empty($$ SELECT FROM pg_trigger WHERE tgrelid = 'profiles'::regclass AND tgname = 'record_update' $$, 'triggers are there');
SELECT is((SELECT count(*) FROM pg_class WHERE relnamespace = 'left_behind'::regnamespace AND relkind IN ('r', 'p') AND relrowsecurity), (SELECT count(*) FROM pg_class WHERE relnamespace = 'left_behind'::regnamespace AND relkind IN ('r', 'p')), 'the old tables are kept until somebody drops them, closed as ever');
SELECT * FROM finish();
