-- backup_restore_user_data(): one person's rows as they were, everybody else's untouched. Each
-- statement commits: the database is this file's own.
SET client_min_messages = warning;
SELECT * FROM no_plan();
\ir lib/lives.psql

CREATE TEMP TABLE was AS SELECT * FROM pg_temp.source_rows(pg_temp.ann());
SELECT mm_rescore_user(pg_temp.ann()) AS scored \gset
CREATE TEMP TABLE scores_were AS SELECT session_id, score, p_worse_fused, score_smoothed FROM fusion_outputs WHERE user_id = pg_temp.ann();
CREATE TEMP TABLE baselines_were AS SELECT feature_name, n, mean, m2 FROM user_feature_baselines WHERE user_id = pg_temp.ann();
SELECT clock_timestamp() AS before \gset
SELECT is((SELECT count(*) FROM was WHERE rows > 0), 11::bigint, 'given Ann with rows in eleven source tables');

-- when all sorts of things have happened to her since, under settings of the session that must not matter
SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET extra_float_digits = -5; SET intervalstyle = 'iso_8601';
UPDATE profiles SET display_name = 'Changed', wellness_goals = NULL WHERE user_id = pg_temp.ann();
UPDATE profiles SET display_name = 'Changed twice' WHERE user_id = pg_temp.ann();
BEGIN;
UPDATE assessment_sessions SET reflection_notes = 'changed', mood_after = NULL WHERE user_id = pg_temp.ann() AND id = pg_temp.session_id(1, 6);
UPDATE assessment_sessions_archive SET reflection_notes = 'changed in the archive' WHERE id = pg_temp.session_id(1, 2);
UPDATE text_analysis SET sentiment_analysis = NULL, text_wellness_score = 1 WHERE user_id = pg_temp.ann();
COMMIT;
DELETE FROM session_keys WHERE id = pg_temp.session_id(1, 7);
DELETE FROM session_keys WHERE id = pg_temp.session_id(1, 3);
DELETE FROM assessment_sessions WHERE id = pg_temp.session_id(1, 8);
DELETE FROM session_insights WHERE session_id = pg_temp.session_id(1, 1);
SELECT mm_record_outcome(pg_temp.session_id(1, 5), true, 'clinician') \gset
SELECT mm_record_outcome(pg_temp.session_id(1, 9), true, 'clinician') \gset
DELETE FROM session_outcomes WHERE session_id = pg_temp.session_id(1, 6);
SELECT pg_temp.add_session(1, 20, now() - interval '1 day') AS added \gset
SELECT pg_temp.analyse(pg_temp.session_id(1, 20), 'text') \gset
SELECT pg_temp.analyse(pg_temp.session_id(1, 12), 'passive', '2025-06-01') \gset
SELECT pg_temp.add_session(1, 21, now() - interval '2 days') AS added \gset
SELECT count(*) FROM mm_fuse_session(pg_temp.session_id(1, 20)) \gset
UPDATE user_feature_baselines SET mean = 0.7 WHERE user_id = pg_temp.ann() AND feature_name = 'my own';
-- and a session of hers is archived
BEGIN;
SET LOCAL ROLE mindmeasure_owner;
SET LOCAL mindmeasure.moving_to_archive = 'on';
WITH moved AS (DELETE FROM assessment_sessions WHERE id = pg_temp.session_id(1, 10) RETURNING *)
INSERT INTO assessment_sessions_archive (id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason)
SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM moved;
COMMIT;
RESET timezone; RESET datestyle; RESET intervalstyle; SET extra_float_digits = 1;
CREATE TEMP TABLE became AS SELECT * FROM pg_temp.source_rows(pg_temp.ann());
CREATE TEMP TABLE others AS SELECT * FROM pg_temp.rows(pg_temp.ann(), false);
SELECT clock_timestamp() AS after \gset


-- a dry run
CREATE TEMP TABLE everything AS SELECT * FROM pg_temp.rows(pg_temp.ann());
CREATE TEMP TABLE foretold AS SELECT * FROM backup_restore_user_data(pg_temp.ann(), :'before', dry_run => true);
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann())', 'SELECT * FROM everything', 'a dry run changes nothing');
SELECT is((SELECT format('%s restored, %s removed, %s changed', restored, removed, changed) FROM foretold WHERE table_name = 'assessment_sessions'),
    '3 restored, 2 removed, 2 changed', 'and says what would be done');

-- then it all comes back
SELECT results_eq(format('SELECT * FROM backup_restore_user_data(%L, %L)', pg_temp.ann(), :'before'), 'SELECT * FROM foretold', 'the restore does what the dry run foretold');
SELECT results_eq('SELECT * FROM pg_temp.source_rows(pg_temp.ann()) WHERE relation !~ ''assessment_sessions''', 'SELECT * FROM was WHERE relation !~ ''assessment_sessions''', 'every source row is as it was, updated_at too');
SELECT set_eq($$ SELECT to_jsonb(s) FROM assessment_sessions AS s WHERE user_id = pg_temp.ann() UNION ALL SELECT to_jsonb(s) FROM assessment_sessions_archive AS s WHERE user_id = pg_temp.ann() $$,
    $$ SELECT to_jsonb(s) FROM assessment_sessions AS s WHERE user_id = pg_temp.ann() AND left(id::text, 8)::int BETWEEN 5 AND 12 UNION ALL SELECT to_jsonb(s) FROM assessment_sessions_archive AS s WHERE user_id = pg_temp.ann() AND left(id::text, 8)::int IN (1, 2, 3, 4, 10) $$, 'the new sessions are gone');
SELECT is((SELECT count(*) FROM assessment_sessions_archive WHERE user_id = pg_temp.ann()), 5::bigint, 'the deleted archived session is in the archive again, what was archived since stays there');
SELECT is((SELECT reflection_notes FROM assessment_sessions_archive WHERE id = pg_temp.session_id(1, 2)), NULL, 'an archived session is set back in the archive');
SELECT is((SELECT count(*) FROM session_keys WHERE user_id = pg_temp.ann()), 12::bigint, 'and there are twelve identities as before');
SELECT set_eq('SELECT session_id, score, p_worse_fused, score_smoothed FROM fusion_outputs WHERE user_id = pg_temp.ann()', 'SELECT * FROM scores_were', 'scores agree with the rows, bit for bit');
SELECT set_eq('SELECT feature_name, n, mean, m2 FROM user_feature_baselines WHERE user_id = pg_temp.ann() AND n > 0', 'SELECT * FROM baselines_were WHERE n > 0', 'and so do the baselines');
SELECT is((SELECT mean FROM user_feature_baselines WHERE user_id = pg_temp.ann() AND feature_name = 'my own'), 0.1::float8, 'what she put there herself is as it was, too');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann(), false)', 'SELECT * FROM others', 'nobody else''s row has changed in any way');
SELECT is((SELECT sum(restored + removed + changed) FROM backup_restore_user_data(pg_temp.ann(), :'before')), 0::numeric, 'doing it again does nothing');

-- the restore itself can be undone
SELECT isnt((SELECT sum(restored + removed + changed) FROM backup_restore_user_data(pg_temp.ann(), :'after')), 0::numeric, 'when restored to just before the restore');
SELECT results_eq('SELECT * FROM pg_temp.source_rows(pg_temp.ann())', 'SELECT * FROM became', 'every row is as it had become');
SELECT is((SELECT count(*) FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 20)), 1::bigint, 'with a score for the session that came back');

-- a transaction counts as a whole, at its last write
BEGIN;
UPDATE profiles SET display_name = 'first of two' WHERE user_id = pg_temp.ben();
SELECT clock_timestamp() AS between \gset
UPDATE profiles SET first_name = 'second of two' WHERE user_id = pg_temp.ben();
COMMIT;
SELECT changed AS profiles_changed FROM backup_restore_user_data(pg_temp.ben(), :'between') WHERE table_name = 'profiles' \gset
SELECT is((SELECT display_name || coalesce(first_name, '') FROM profiles WHERE user_id = pg_temp.ben()), 'ben@example.org', 'a time in the middle of a transaction is before all of it');

-- columns that come and go
ALTER TABLE profiles ADD COLUMN mine numeric, ADD COLUMN old text DEFAULT 'old';
UPDATE profiles SET mine = 1.50 WHERE user_id = pg_temp.ben();
SELECT clock_timestamp() AS with_columns \gset
UPDATE profiles SET mine = 2, old = 'gone' WHERE user_id = pg_temp.ben();
ALTER TABLE profiles DROP COLUMN old, ADD COLUMN young integer NOT NULL DEFAULT 7;
UPDATE profiles SET young = 8 WHERE user_id = pg_temp.ben();
SELECT changed AS profiles_changed FROM backup_restore_user_data(pg_temp.ben(), :'with_columns') WHERE table_name = 'profiles' \gset
SELECT is((SELECT format('%s %s', mine, young) FROM profiles WHERE user_id = pg_temp.ben()), '1.50 8', 'an added column comes back to the digit, one added later keeps its value, one that is gone is left out');
DELETE FROM profiles WHERE user_id = pg_temp.ben();
SELECT restored AS profiles_restored FROM backup_restore_user_data(pg_temp.ben(), :'with_columns') WHERE table_name = 'profiles' \gset
SELECT is((SELECT format('%s %s', mine, young) FROM profiles WHERE user_id = pg_temp.ben()), '1.50 7', 'where the whole row was deleted, a column that is younger takes its default');

-- the call as it is written in the specification
BEGIN;
SELECT lives_ok($$ SELECT * FROM backup_restore_user_data('00000000-0000-4000-8000-000000000001', '$$ || :'after' || $$') $$, 'text literals will do');
COMMIT;

-- what is refused
SELECT throws_ok($$ SELECT * FROM backup_restore_user_data('00000000-0000-4000-8000-000000000001', '2024-01-01 12:00:00') $$, '22023', 'at: is before row_history begins', 'a time before history begins is refused');
CREATE FUNCTION pg_temp.hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text; BEGIN EXECUTE statement; RETURN NULL; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT; RETURN hint; END $$;
SELECT matches(pg_temp.hint_of($$ SELECT * FROM backup_restore_user_data('00000000-0000-4000-8000-000000000001', '2024-01-01 12:00:00') $$), 'point-in-time recovery.*mm_export_user.*mm_import_user', 'with a hint how it is done then');
SELECT throws_ok($$ SELECT * FROM backup_restore_user_data('00000000-0000-4000-8000-000000000001', now() + interval '1 hour') $$, '22023', 'at: must be a time in the past', 'a time in the future is refused');
SELECT throws_ok($$ SELECT * FROM backup_restore_user_data('00000000-0000-4000-8000-00000000dead', now()) $$, 'P0002', 'user_id: nothing is held on this person', 'somebody unknown is refused');
SELECT throws_ok('SELECT * FROM backup_restore_user_data(NULL, now())', '22004', NULL, 'NULL is refused');
SELECT throws_ok('SELECT * FROM backup_restore_user_data(pg_temp.ann(), ''infinity'')', '22023', NULL, 'infinity is refused');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT throws_ok('SELECT * FROM backup_restore_user_data(pg_temp.ann(), clock_timestamp())', '55000', NULL, 'a transaction with an old view is refused');
COMMIT;
BEGIN;
SET LOCAL ROLE mindmeasure_user;
SET LOCAL request.jwt.claim.sub = '00000000-0000-4000-8000-000000000001';
\set ON_ERROR_STOP off
SELECT * FROM backup_restore_user_data('00000000-0000-4000-8000-000000000001', clock_timestamp());
\set refused :SQLSTATE
\set ON_ERROR_STOP on
ROLLBACK;
SELECT is(:'refused'::text, '42501', 'a user cannot call it, not even for themself');
SELECT count(*) FROM mm_erase_user(pg_temp.ben(), 'test') \gset
SELECT throws_ok('SELECT * FROM backup_restore_user_data(pg_temp.ben(), clock_timestamp())', 'MM004', 'user_id: the person has been erased', 'an erased person is refused');
SELECT * FROM finish();
