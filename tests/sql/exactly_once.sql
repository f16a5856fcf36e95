-- A session is scored exactly once: whatever is called again, or fails afterwards, changes nothing.
BEGIN;
SELECT no_plan();
\ir lib/snapshot.psql
\ir lib/person.psql

CREATE TEMP TABLE remembered (label text, relation text, rows bigint, hash text);
CREATE FUNCTION pg_temp.remember_tables(named text) RETURNS bigint LANGUAGE sql AS $$
    WITH kept AS (INSERT INTO remembered SELECT named, t.* FROM pg_temp.tables_as_text() AS t RETURNING 1) SELECT count(*) FROM kept
$$;
CREATE FUNCTION pg_temp.same_tables(named text, description text) RETURNS text LANGUAGE sql AS $$
    SELECT results_eq('SELECT * FROM pg_temp.tables_as_text()',
        format('SELECT relation, rows, hash FROM remembered WHERE label = %L ORDER BY relation', named), description)
$$;
CREATE FUNCTION pg_temp.fused(session uuid, refresh boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
    SELECT f::text FROM mm_fuse_session(session, refresh) AS f
$$;

-- Given a person with a few scored sessions and a new one
SELECT pg_temp.analyse(pg_temp.add_session(1, n, pg_temp.session_time(1, n)), m)
FROM generate_series(1, 8) AS n, unnest(pg_temp.modalities(1, n)) AS m WHERE m = 'text' \g /dev/null
SELECT pg_temp.add_session(1, n, pg_temp.session_time(1, n)) FROM generate_series(1, 8) AS n
WHERE NOT EXISTS (SELECT FROM assessment_sessions WHERE id = pg_temp.session_id(1, n)) \g /dev/null
SELECT pg_temp.analyse(pg_temp.session_id(1, n), 'audio') FROM generate_series(1, 8) AS n \g /dev/null
SELECT pg_temp.fused(pg_temp.session_id(1, n)) FROM generate_series(1, 7) AS n \g /dev/null
SELECT pg_temp.session_id(1, 8) AS session \gset
SELECT ok(pg_temp.remember_tables('before') >= 15, 'all tables are watched');

-- An error after scoring leaves nothing -------------------------------------------------
CREATE FUNCTION pg_temp.score_and_fail(session uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mm_fuse_session(session);
    ASSERT EXISTS (SELECT FROM fusion_outputs WHERE session_id = session);
    RAISE EXCEPTION 'the application fails' USING ERRCODE = 'ZZ001';
END;
$$;
SELECT throws_ok(format('SELECT pg_temp.score_and_fail(%L)', :'session'), 'ZZ001', NULL, 'an error in the same transaction, after scoring');
SELECT pg_temp.same_tables('before', 'leaves nothing');
SAVEPOINT scored;
SELECT pg_temp.fused(:'session') AS undone \gset
SELECT is((SELECT status FROM assessment_sessions WHERE id = :'session'), 'completed', 'it is scored within the subtransaction');
ROLLBACK TO SAVEPOINT scored;
SELECT pg_temp.same_tables('before', 'rolling the subtransaction back leaves nothing');

-- Scoring, and scoring again -----------------------------------------------------------------
SELECT pg_temp.fused(:'session') AS first \gset
SELECT is(regexp_replace(:'first', ',[^,]*$', ''), regexp_replace(:'undone', ',[^,]*$', ''), 'scored after the rollback as before it');
SELECT pg_temp.remember_tables('scored') \g /dev/null
SELECT isnt((SELECT hash FROM remembered WHERE label = 'scored' AND relation = r), (SELECT hash FROM remembered WHERE label = 'before' AND relation = r),
    r || ' has changed') FROM unnest(ARRAY['fusion_outputs', 'mind_measure_scores', 'assessment_sessions', 'user_baselines', 'user_feature_baselines', 'session_outcomes']) AS r;
SELECT is((SELECT array_agg(b.relation) FROM remembered AS b JOIN remembered AS s USING (relation)
    WHERE b.label = 'before' AND s.label = 'scored' AND b.hash IS DISTINCT FROM s.hash AND b.relation NOT IN
        ('fusion_outputs', 'mind_measure_scores', 'assessment_sessions', 'user_baselines', 'user_feature_baselines', 'session_outcomes',
         -- the session as it was before it was completed
         'row_history')), NULL, 'and no other table');
CREATE TEMP TABLE places AS
    SELECT 'f' AS of, session_id AS id, ctid AS place FROM fusion_outputs UNION ALL SELECT 'm', id, ctid FROM mind_measure_scores
    UNION ALL SELECT 'b', id, ctid FROM user_baselines UNION ALL SELECT 'u', id, ctid FROM user_feature_baselines
    UNION ALL SELECT 's', id, ctid FROM assessment_sessions;
SELECT is(pg_temp.fused(:'session'), :'first', 'scored again, the same row comes back, the text of drivers included');
SELECT is((SELECT f.drivers::text FROM mm_fuse_session(:'session') AS f), (SELECT drivers::text FROM fusion_outputs WHERE session_id = :'session'),
    'drivers are those stored, as text');
SELECT pg_temp.same_tables('scored', 'scoring again changes nothing');
SELECT is(pg_temp.fused(:'session', refresh => true), :'first', 'a refresh without news gives the same row');
SELECT pg_temp.same_tables('scored', 'and changes nothing');
SELECT is_empty($$(SELECT 'f', session_id, ctid FROM fusion_outputs UNION ALL SELECT 'm', id, ctid FROM mind_measure_scores
    UNION ALL SELECT 'b', id, ctid FROM user_baselines UNION ALL SELECT 'u', id, ctid FROM user_feature_baselines
    UNION ALL SELECT 's', id, ctid FROM assessment_sessions) EXCEPT SELECT of, id, place FROM places$$, 'not one row was written anew');

-- Returned = stored, column by column
SELECT results_eq(
    format('SELECT * FROM mm_fuse_session(%L)', :'session'),
    format('SELECT session_id, user_id, p_worse_fused, p_worse_audio, p_worse_visual, p_worse_text, p_worse_passive, score, score_smoothed,
        uncertainty, qc_overall, drivers, model_version, created_at FROM fusion_outputs WHERE session_id = %L', :'session'),
    'the row returned is the row stored');

-- News without a refresh, and a further analysis of a modality that is scored, change nothing ------
SELECT pg_temp.analyse(:'session', 'audio', '2025-06-01', 'newer') \g /dev/null
SELECT pg_temp.analyse(:'session', 'passive') \g /dev/null
SELECT pg_temp.remember_tables('news') \g /dev/null
SELECT is(pg_temp.fused(:'session'), :'first', 'news without refresh: the same row');
SELECT pg_temp.same_tables('news', 'and nothing changes');
SAVEPOINT refreshed;
SELECT is(pg_temp.fused(:'session', true) <> :'first', true, 'refresh scores the modality that came');
SELECT is((SELECT arrived_modalities FROM fusion_outputs WHERE session_id = :'session') @> '{passive}', true, 'passive has arrived');
SELECT results_eq(format('SELECT raw_audio, p_worse_audio FROM fusion_outputs WHERE session_id = %L', :'session'),
    $$VALUES ($$ || (SELECT format('%L::float8, %L::float8', raw_audio, p_worse_audio) FROM (SELECT raw_audio, p_worse_audio FROM fusion_outputs WHERE session_id = :'session') AS x) || ')',
    'the scored modality keeps its p');
SELECT pg_temp.fused(:'session', true) AS refreshed \gset
SELECT pg_temp.remember_tables('refreshed') \g /dev/null
SELECT is(pg_temp.fused(:'session', true), :'refreshed', 'refreshed again: the same row');
SELECT pg_temp.same_tables('refreshed', 'and nothing changes');
ROLLBACK TO SAVEPOINT refreshed;

-- Who calls makes no difference to the score -----------------------------------------------------
CREATE FUNCTION pg_temp.computed_hash() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(c::text, chr(10) ORDER BY c::text)) FROM pg_temp.computed(pg_temp.person_id(1)) AS c
$$;
-- The same session unscored again, under the same id.
DELETE FROM fusion_outputs; DELETE FROM mind_measure_scores; DELETE FROM user_baselines; DELETE FROM user_feature_baselines;
UPDATE assessment_sessions SET status = 'pending';
SELECT set_config('request.jwt.claim.sub', pg_temp.person_id(1)::text, true) \g /dev/null

SAVEPOINT caller;
SELECT f::text AS by_superuser FROM mm_fuse_session(:'session') AS f \gset
SELECT pg_temp.computed_hash() AS hash_superuser \gset
ROLLBACK TO SAVEPOINT caller;
SET LOCAL ROLE mindmeasure_system;
SELECT f::text AS by_system FROM mm_fuse_session(:'session') AS f \gset
RESET ROLE;
SELECT pg_temp.computed_hash() AS hash_system \gset
ROLLBACK TO SAVEPOINT caller;
SET LOCAL ROLE mindmeasure_user;
SELECT f::text AS by_person FROM mm_fuse_session(:'session') AS f \gset
SELECT f::text AS by_person_again FROM mm_fuse_session(:'session') AS f \gset
RESET ROLE;
SELECT pg_temp.computed_hash() AS hash_person \gset
SELECT is(:'by_system'::text, :'by_superuser', 'the system gets the row that a superuser gets');
SELECT is(:'by_person'::text, :'by_superuser', 'the person gets the same row');
SELECT is(:'by_person_again'::text, :'by_person', 'and again');
SELECT is(:'hash_system'::text, :'hash_superuser', 'the system leaves what a superuser leaves');
SELECT is(:'hash_person'::text, :'hash_superuser', 'and so does the person');

-- Somebody else's session is as unknown as one that does not exist --------------------------------
SELECT set_config('request.jwt.claim.sub', pg_temp.person_id(2)::text, true) \g /dev/null
CREATE FUNCTION pg_temp.refusal(session uuid, refresh boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text; "column" text; context text;
BEGIN
    PERFORM public.mm_fuse_session(session, refresh);
    RETURN 'scored';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws('|', state, message, detail, hint);
END;
$$;
SELECT pg_temp.remember_tables('refused') \g /dev/null
SELECT pg_temp.add_session(1, 9, pg_temp.session_time(1, 9)) AS unscored \gset
SET LOCAL ROLE mindmeasure_user;
SELECT pg_temp.refusal('11111111-1111-4111-8111-111111111111') AS unknown \gset
SELECT pg_temp.refusal(:'session') AS scored, pg_temp.refusal(:'session', true) AS scored_refresh, pg_temp.refusal(:'unscored') AS unscored_refusal \gset
SELECT set_config('request.jwt.claim.sub', '', true) \g /dev/null
SELECT pg_temp.refusal(:'session') AS by_nobody \gset
RESET ROLE;
DELETE FROM session_keys WHERE id = :'unscored';
-- That it was there is history.
DELETE FROM row_history WHERE row_key = :'unscored' OR row_before ->> 'session_id' = :'unscored';
SELECT is(split_part(:'unknown', '|', 1), 'P0002', 'an unknown id');
SELECT is(:'scored'::text, :'unknown', 'somebody else''s scored session');
SELECT is(:'scored_refresh'::text, :'unknown', 'somebody else''s scored session, refresh');
SELECT is(:'unscored_refusal'::text, :'unknown', 'somebody else''s session without an analysis');
SELECT is(:'by_nobody'::text, :'unknown', 'a caller who is nobody');
SELECT pg_temp.same_tables('refused', 'and nothing changes');

-- What cannot be scored -------------------------------------------------------------------------------
SELECT pg_temp.add_session(1, 10, pg_temp.session_time(1, 10)) AS empty \gset
SELECT throws_ok(format('SELECT mm_fuse_session(%L)', :'empty'), 'MM001', NULL, 'no analysis at all');
SELECT throws_ok(format('SELECT mm_fuse_session(%L, true)', :'empty'), 'MM001', NULL, 'no analysis at all, refresh');
SELECT is((SELECT status FROM assessment_sessions WHERE id = :'empty'), 'pending', 'it stays pending');
SELECT throws_ok('SELECT mm_fuse_session(NULL)', '22004', NULL, 'NULL');
SELECT throws_ok(format('SELECT mm_fuse_session(%L, NULL)', :'session'), '22004', NULL, 'refresh NULL');
WITH old AS (DELETE FROM assessment_sessions WHERE id IN (:'empty', :'session') RETURNING *)
INSERT INTO assessment_sessions_archive SELECT * FROM old;
SELECT throws_ok(format('SELECT mm_fuse_session(%L)', :'empty'), 'MM002', NULL, 'archived');
SELECT throws_ok(format('SELECT mm_fuse_session(%L)', :'session'), 'MM002', NULL, 'archived with a score');
SELECT is((SELECT count(*) FROM fusion_outputs WHERE session_id = :'session'), 1::bigint, 'which stays');

SELECT * FROM finish();
ROLLBACK;
