-- Fusing in time order, then replaying, gives the same value in every computed column, bit for bit.
BEGIN;
SELECT no_plan();
\ir lib/snapshot.psql
\ir lib/person.psql

\set sessions 64

-- Lives through a person's history: session, analyses, score, outcome; then the next session. With
-- `late` every third session's last modality comes after the first scoring, and is added by a refresh.
CREATE FUNCTION pg_temp.live(person int, sessions int, late boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    session uuid;
    held_back text;
BEGIN
    FOR number IN 1 .. sessions LOOP
        session := pg_temp.add_session(person, number, pg_temp.session_time(person, number), pg_temp.session_type(person, number));
        names := pg_temp.modalities(person, number);
        held_back := CASE WHEN late AND number % 3 = 0 AND cardinality(names) > 1 THEN names[1 + number % cardinality(names)] END;
        PERFORM pg_temp.analyse(session, m) FROM unnest(names) AS m WHERE m IS DISTINCT FROM held_back;
        -- An older analysis of the same session does not count.
        IF number % 7 = 0 AND names[1] IS DISTINCT FROM held_back THEN
            PERFORM pg_temp.analyse(session, names[1], '2024-12-31', 'older');
        END IF;
        PERFORM mm_fuse_session(session);
        IF held_back IS NOT NULL THEN
            PERFORM pg_temp.analyse(session, held_back);
            PERFORM mm_fuse_session(session, refresh => true);
        END IF;
        -- A session's outcome is known before the next one. That of 30 does not count for 31, which
        -- took place at the same time.
        IF number % 5 < 2 THEN
            PERFORM mm_record_outcome(session, pg_temp.chance(session || ' worse') < 0.4, 'test');
        END IF;
    END LOOP;
END;
$$;

-- Given a person who was scored session by session ---------------------------------------
SELECT pg_temp.live(1, :sessions, late => false);
SELECT is(pg_temp.remember('fused', pg_temp.person_id(1)) > 2 * :sessions, true, 'there is something to compare');
SELECT is((SELECT count(DISTINCT session_created_at) FROM fusion_outputs WHERE user_id = pg_temp.person_id(1)), :sessions - 1::bigint,
    'two of the sessions have the same time');
SELECT is((SELECT array_agg(DISTINCT qc_overall ORDER BY qc_overall) FROM fusion_outputs), '{insufficient,low,reliable}',
    'the history has sessions of every quality');
SELECT is((SELECT count(*) FROM fusion_outputs WHERE jsonb_array_length(drivers -> 'dropped') > 0) > 0, true, 'and dropped features');
SELECT is((SELECT array_agg(metric_type ORDER BY metric_type) FROM user_baselines WHERE user_id = pg_temp.person_id(1)),
    '{audio_wellness,combined_wellness,mood_stability,stress_levels,text_wellness,visual_wellness}', 'and all six metrics');

-- When the history is replayed
SELECT is(mm_rescore_user(pg_temp.person_id(1)), :sessions::bigint, 'every session is replayed');
SELECT pg_temp.remember('replayed', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('fused', 'replayed');

-- And when it is replayed again
SELECT is(mm_rescore_user(pg_temp.person_id(1)), :sessions::bigint, 'a second replay');
SELECT pg_temp.remember('replayed twice', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('fused', 'replayed twice');

-- Rebuilding baselines alone ---------------------------------------------------------------
CREATE TEMP TABLE scores_before AS SELECT session_id, ctid AS place FROM fusion_outputs;
DELETE FROM user_baselines WHERE user_id = pg_temp.person_id(1);
DELETE FROM user_feature_baselines WHERE user_id = pg_temp.person_id(1);
SELECT is(mm_update_baselines(pg_temp.person_id(1)), :sessions::bigint, 'baselines are rebuilt from every session');
SELECT pg_temp.remember('rebuilt after deletion', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('fused', 'rebuilt after deletion');

UPDATE user_baselines SET mean = 100 - mean, baseline_score = 1, m2 = m2 + 1, sample_count = 3, confidence_level = 0.1;
UPDATE user_feature_baselines SET mean = mean + 1, sd = 7, n = n + 5, m2 = 2 * m2, sum_w2 = 1, last_observed_at = NULL, modality = 'passive';
DELETE FROM user_feature_baselines WHERE feature_name = 'text.clarity';
INSERT INTO user_feature_baselines (user_id, feature_name, modality, mean, n) VALUES (pg_temp.person_id(1), 'text.of_a_former_model', 'text', 1, 9);
SELECT mm_update_baselines(pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.remember('rebuilt after corruption', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('fused', 'rebuilt after corruption');
SELECT is_empty('SELECT session_id FROM fusion_outputs AS f JOIN scores_before USING (session_id) WHERE f.ctid <> place',
    'rebuilding baselines does not write scores');

-- A history with archived sessions ---------------------------------------------------------
WITH old AS (
    DELETE FROM assessment_sessions WHERE user_id = pg_temp.person_id(1) AND created_at < pg_temp.session_time(1, 21) RETURNING *)
INSERT INTO assessment_sessions_archive (id, user_id, status, category, assessment_type, mood_before, mood_after, text_data,
    audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason)
SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data,
    audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM old;
CREATE TEMP TABLE archive_before AS SELECT x::text AS line FROM assessment_sessions_archive AS x;
SELECT is((SELECT count(*) FROM archive_before), 20::bigint, 'twenty sessions are in the archive');
SELECT is(mm_rescore_user(pg_temp.person_id(1)), :sessions::bigint, 'archived sessions take part in the replay');
SELECT pg_temp.remember('replayed with an archive', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('fused', 'replayed with an archive');
SELECT set_eq('SELECT x::text FROM assessment_sessions_archive AS x', 'SELECT line FROM archive_before', 'the archived rows stay as they are');
DELETE FROM user_baselines WHERE user_id = pg_temp.person_id(1);
DELETE FROM user_feature_baselines WHERE user_id = pg_temp.person_id(1);
SELECT is(mm_update_baselines(pg_temp.person_id(1)), :sessions::bigint, 'and count for the baselines');
SELECT pg_temp.remember('rebuilt with an archive', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('fused', 'rebuilt with an archive', '{user_baselines,user_feature_baselines}');
-- The next session of a person whose past is archived is scored the same as after a replay.
SELECT pg_temp.add_session(1, :sessions + 1, pg_temp.session_time(1, :sessions + 1)) AS next \gset
SELECT pg_temp.analyse(:'next', m) FROM unnest(ARRAY['text', 'audio', 'passive']) AS m \g /dev/null
SELECT score FROM mm_fuse_session(:'next') \g /dev/null
SELECT pg_temp.remember('next fused', pg_temp.person_id(1)) \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(1)), :sessions + 1::bigint, 'one more');
SELECT pg_temp.remember('next replayed', pg_temp.person_id(1)) \g /dev/null
SELECT pg_temp.same('next fused', 'next replayed');

-- What is not scored is not replayed ---------------------------------------------------------
SELECT pg_temp.add_session(1, :sessions + 2, pg_temp.session_time(1, :sessions + 2)) AS unscored \gset
SELECT pg_temp.analyse(:'unscored', 'text') \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(1)), :sessions + 1::bigint, 'a session that has not been scored is left out');
SELECT is((SELECT status FROM assessment_sessions WHERE id = :'unscored'), 'pending', 'and stays pending');

-- A person some of whose modalities come late -------------------------------------------------
SELECT pg_temp.live(2, :sessions, late => true);
SELECT pg_temp.remember('refreshed', pg_temp.person_id(2)) \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(2)), :sessions::bigint, 'the history with late modalities is replayed');
SELECT pg_temp.remember('refreshed, replayed', pg_temp.person_id(2)) \g /dev/null
SELECT pg_temp.same('refreshed', 'refreshed, replayed');

-- A calibrated person whose own rate, and the recent one above all, moves on ------------------
SELECT mm_register_model(jsonb_set(spec, '{fusion}', spec -> 'fusion' || '{"recent_half_life_days": 3.3, "recent_strength": 5, "outcome_half_life_days": 40}')
    || '{"model_version": "recent"}')
FROM mm_models WHERE model_version = 'v1.0' \g /dev/null
SELECT mm_activate_model('recent');
SELECT pg_temp.live(5, 12, late => false);
SELECT count(*) FROM mm_fit_calibration(pg_temp.person_id(5)) \g /dev/null
INSERT INTO user_calibration (user_id, modality, a, b, covariance, n_points, own_logit)
SELECT pg_temp.person_id(person), modality, a, b, covariance, n_points, own_logit
FROM user_calibration CROSS JOIN (VALUES (6), (7)) AS p (person) WHERE user_id = pg_temp.person_id(5);
SELECT is((SELECT count(own_logit) FROM user_calibration WHERE user_id = pg_temp.person_id(6)) >= 3, true, 'there are calibrations that follow the own rate');
SELECT pg_temp.live(6, :sessions, late => false);
SELECT is((SELECT count(DISTINCT drivers #> '{modalities,text,b}') > 10 FROM fusion_outputs WHERE user_id = pg_temp.person_id(6)), true, 'and they do');
SELECT pg_temp.remember('recent', pg_temp.person_id(6)) \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(6)), :sessions::bigint, 'the history is replayed with recent_half_life_days');
SELECT pg_temp.remember('recent, replayed', pg_temp.person_id(6)) \g /dev/null
SELECT pg_temp.same('recent', 'recent, replayed');
SELECT pg_temp.live(7, :sessions, late => true);
SELECT pg_temp.remember('recent and refreshed', pg_temp.person_id(7)) \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(7)) \g /dev/null
SELECT pg_temp.remember('recent and refreshed, replayed', pg_temp.person_id(7)) \g /dev/null
SELECT pg_temp.same('recent and refreshed', 'recent and refreshed, replayed');

-- A model that forgets -------------------------------------------------------------------------
SELECT mm_register_model(jsonb_set(jsonb_set(spec, '{baseline,half_life_days}', '13.7'), '{model_version}', '"forgetting"'))
FROM mm_models WHERE model_version = 'v1.0' \g /dev/null
SELECT mm_activate_model('forgetting');
SELECT pg_temp.live(3, :sessions, late => false);
SELECT is((SELECT count(*) FROM user_feature_baselines WHERE user_id = pg_temp.person_id(3) AND sum_w2 < n AND n < 40) > 20, true, 'baselines are weighted');
SELECT pg_temp.remember('forgetting', pg_temp.person_id(3)) \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(3)), :sessions::bigint, 'the history is replayed with half_life_days');
SELECT pg_temp.remember('forgetting, replayed', pg_temp.person_id(3)) \g /dev/null
SELECT pg_temp.same('forgetting', 'forgetting, replayed');
DELETE FROM user_feature_baselines WHERE user_id = pg_temp.person_id(3);
SELECT mm_update_baselines(pg_temp.person_id(3)) \g /dev/null
SELECT pg_temp.remember('forgetting, rebuilt', pg_temp.person_id(3)) \g /dev/null
SELECT pg_temp.same('forgetting', 'forgetting, rebuilt', '{user_baselines,user_feature_baselines}');
SELECT pg_temp.live(4, :sessions, late => true);
SELECT pg_temp.remember('forgetting and refreshed', pg_temp.person_id(4)) \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(4)) \g /dev/null
SELECT pg_temp.remember('forgetting and refreshed, replayed', pg_temp.person_id(4)) \g /dev/null
SELECT pg_temp.same('forgetting and refreshed', 'forgetting and refreshed, replayed');

-- Another model and back again: only history and model count --------------------------------------
SELECT mm_rescore_user(pg_temp.person_id(2)) \g /dev/null
SELECT is((SELECT array_agg(DISTINCT model_version) FROM fusion_outputs WHERE user_id = pg_temp.person_id(2)), '{forgetting}', 'a replay uses the active model');
SELECT pg_temp.remember('with another model', pg_temp.person_id(2)) \g /dev/null
SELECT isnt_empty($$SELECT key, line FROM snapshot WHERE label = 'refreshed' AND relation = 'user_feature_baselines'
    EXCEPT SELECT key, line FROM snapshot WHERE label = 'with another model'$$, 'which changes what is computed: this test can tell');
SELECT mm_activate_model('v1.0');
SELECT mm_rescore_user(pg_temp.person_id(2)) \g /dev/null
SELECT pg_temp.remember('and back', pg_temp.person_id(2)) \g /dev/null
SELECT pg_temp.same('refreshed', 'and back');

-- A replay of somebody without sessions, of nobody, and by anybody but the system ------------------
SELECT is(mm_rescore_user(pg_temp.person_id(99)), 0::bigint, 'nothing to replay');
SELECT throws_ok('SELECT mm_rescore_user(NULL)', '22004', NULL, 'no person');
SELECT throws_ok('SELECT mm_update_baselines(NULL)', '22004', NULL, 'no person');
SET ROLE mindmeasure_user;
SELECT set_config('request.jwt.claim.sub', '00000000-0000-4000-8000-000000000001', true) \g /dev/null
SELECT throws_ok($$SELECT mm_rescore_user('00000000-0000-4000-8000-000000000001')$$, '42501', NULL, 'not by the person');
SELECT throws_ok($$SELECT mm_update_baselines('00000000-0000-4000-8000-000000000001')$$, '42501', NULL, 'not by the person');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
