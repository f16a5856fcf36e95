-- What tells for a person is learnt from each outcome, about the model's weights.
\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
BEGIN;
SELECT no_plan();
\ir lib/person.psql

-- Two features of text: by the model a low wellness score tells of worse, and negative words do.
CREATE FUNCTION pg_temp.model(version text, personal jsonb DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT mm_register_model(jsonb_strip_nulls(jsonb_build_object('model_version', version, 'personal', personal, 'features', jsonb_build_array(
        jsonb_build_object('name', 'wellness', 'modality', 'text', 'document', 'text_wellness_score', 'path', '$', 'weight', -0.3, 'population_mean', 50, 'population_sd', 15),
        jsonb_build_object('name', 'negative', 'modality', 'text', 'document', 'sentiment_analysis', 'path', '$.sentiment_scores.negative', 'weight', 0.3, 'population_mean', 0.5, 'population_sd', 0.15)))))
$$;
CREATE FUNCTION pg_temp.text(person int, number int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    session CONSTANT uuid := pg_temp.session_id(person, number);
    at CONSTANT timestamptz := '2025-01-01 12:00+00'::timestamptz + number * interval '1 day';
BEGIN
    INSERT INTO assessment_sessions (id, user_id, assessment_type, created_at, updated_at) VALUES (session, pg_temp.person_id(person), 'quick', at, at);
    INSERT INTO text_analysis (session_id, sentiment_analysis, text_wellness_score) VALUES (session,
        jsonb_build_object('overall_sentiment', 'neutral', 'confidence', 1, 'emotional_tone', 'calm', 'mood_indicators', '[]'::jsonb,
            'sentiment_scores', jsonb_build_object('positive', 0.1, 'negative', pg_temp.between(0.2, 0.8, session || 'n'), 'neutral', 0.1)),
        pg_temp.between(20, 80, session || 'w'));
    RETURN session;
END;
$$;
-- A person in whom wellness tells the opposite, and words nothing: scored, then told of.
CREATE FUNCTION pg_temp.live(person int, first int, last int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    session uuid;
BEGIN
    FOR number IN first .. last LOOP
        session := pg_temp.text(person, number);
        PERFORM mm_fuse_session(session);
        PERFORM mm_record_outcome(session, text_wellness_score > 60) FROM text_analysis WHERE session_id = session;
    END LOOP;
END;
$$;
CREATE FUNCTION pg_temp.brier(person int, later_than int) RETURNS float8 LANGUAGE sql AS $$
    SELECT avg((p_worse_fused - worse::int) ^ 2) FROM fusion_outputs JOIN session_outcomes USING (session_id)
    WHERE session_id IN (SELECT pg_temp.session_id(person, n) FROM generate_series(later_than + 1, 500) AS n)
$$;
CREATE FUNCTION pg_temp.contribution(person int, number int, name text) RETURNS float8 LANGUAGE sql AS $$
    SELECT (item ->> 'contribution')::float8 / (item ->> 'z')::float8 FROM fusion_outputs, jsonb_array_elements(drivers -> 'items') AS item
    WHERE session_id = pg_temp.session_id(person, number) AND item ->> 'feature' = name
$$;

-- Given a model that leaves people weights of their own, and one that says nothing of them
SELECT pg_temp.model('own', '{"weight_sd": 0.15}'), pg_temp.model('shared') \g /dev/null
SELECT mm_activate_model('own') \g /dev/null
SELECT pg_temp.live(1, 1, 80) \g /dev/null
SELECT mm_activate_model('shared') \g /dev/null
SELECT pg_temp.live(2, 1, 80) \g /dev/null

SELECT is((SELECT personal_weights FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 1)), '{1,0,0,0}'::real[], 'a first session has only its shares');
SELECT is((SELECT cardinality(personal_weights) FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 2)), 4 + 2 + 2 * 2, 'the next what was learnt: outcomes, shifts and variances');
SELECT is((SELECT personal_weights[5] + personal_weights[6] FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 80)), 79::real, 'the last of all before it');
SELECT is((SELECT count(personal_weights) FROM fusion_outputs WHERE user_id = pg_temp.person_id(2)), 0::bigint, 'with an sd of 0 there is nothing');

-- Then the person's own weights foretell what the model's have the wrong way round
SELECT is(pg_temp.contribution(1, 1, 'wellness') < 0, true, 'wellness counts as the model has it at first');
SELECT is(pg_temp.contribution(1, 80, 'wellness') > 0.2, true, 'and as it is in this person in the end');
SELECT is(pg_temp.brier(1, 40) < pg_temp.brier(2, 40) - 0.05, true, 'the person is foretold better');
SELECT is((SELECT max(abs((drivers ->> 'base_logit')::float8 + (SELECT sum((item ->> 'contribution')::float8) FROM jsonb_array_elements(drivers -> 'items') AS item)
    - ln(p_worse_fused / (1 - p_worse_fused)))) < 1e-12 FROM fusion_outputs WHERE user_id = pg_temp.person_id(1)), true, 'the drivers add up');
SELECT is((SELECT max(abs((m ->> 'raw')::float8 * (m ->> 'a')::float8 + (m ->> 'b')::float8 + coalesce((m ->> 'personal')::float8, 0) - (m ->> 'logit')::float8)) < 1e-12
    FROM fusion_outputs, jsonb_path_query(drivers, '$.modalities.text') AS m WHERE user_id = pg_temp.person_id(1)), true, 'so does the evidence');

-- Three outcomes of each kind
CREATE TEMP TABLE counted AS
SELECT f.session_created_at, drivers #> '{modalities,text}' ? 'personal' AS personal,
    least(count(*) FILTER (WHERE worse) OVER earlier, count(*) FILTER (WHERE NOT worse) OVER earlier) >= 3 AS enough
FROM fusion_outputs AS f JOIN session_outcomes USING (session_id) WHERE f.user_id = pg_temp.person_id(1)
WINDOW earlier AS (ORDER BY f.session_created_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
SELECT is((SELECT array_agg(DISTINCT personal = enough) FROM counted), '{t}', 'they count from three outcomes of each kind on, and no earlier');

-- Replay
SELECT mm_activate_model('own') \g /dev/null
CREATE TEMP TABLE before AS SELECT session_id, p_worse_fused, drivers, personal_weights FROM fusion_outputs WHERE user_id = pg_temp.person_id(1);
SELECT mm_rescore_user(pg_temp.person_id(1)) \g /dev/null
SELECT is_empty('SELECT session_id, p_worse_fused, drivers, personal_weights FROM fusion_outputs WHERE user_id = pg_temp.person_id(1) EXCEPT TABLE before', 'a replay learns the same');

-- No look-ahead: later outcomes and sessions change no earlier score
UPDATE session_outcomes SET worse = NOT worse WHERE user_id = pg_temp.person_id(1) AND session_id > pg_temp.session_id(1, 50);
SELECT mm_rescore_user(pg_temp.person_id(1)) \g /dev/null
SELECT is_empty('SELECT session_id, p_worse_fused, drivers, personal_weights FROM fusion_outputs WHERE user_id = pg_temp.person_id(1) AND session_id <= pg_temp.session_id(1, 51) EXCEPT TABLE before',
    'other outcomes from the 51st on leave all up to it alone');
SELECT isnt_empty('SELECT session_id, p_worse_fused, drivers, personal_weights FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 52) EXCEPT TABLE before', 'and change the one after');

-- An outcome that comes late is learnt by a replay
SELECT mm_fuse_session(pg_temp.text(1, 81)), mm_fuse_session(pg_temp.text(1, 82)), mm_record_outcome(pg_temp.session_id(1, 81), true), mm_fuse_session(pg_temp.text(1, 83)) \g /dev/null
SELECT is((SELECT personal_weights[5] + personal_weights[6] FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 83)), 80::real, 'a late outcome waits');
SELECT mm_rescore_user(pg_temp.person_id(1)) \g /dev/null
SELECT is((SELECT personal_weights[5] + personal_weights[6] FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 83)), 81::real, 'for a replay');

-- A fitted calibration takes their place
SELECT mm_fit_calibration(pg_temp.person_id(1), 'text') \g /dev/null
SELECT mm_fuse_session(pg_temp.text(1, 84)) \g /dev/null
SELECT is((SELECT personal_weights[1] FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 84)), 0::real, 'a modality with a fit has no share');
SELECT is((SELECT drivers #> '{modalities,text}' ? 'personal' FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 84)), false, 'nor anything of its own');
SELECT mm_record_outcome(pg_temp.session_id(1, 84), true), mm_fuse_session(pg_temp.text(1, 85)) \g /dev/null
SELECT is((SELECT personal_weights FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 85)),
    (SELECT personal_weights FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 84)), 'and teaches nothing');
DELETE FROM user_calibration WHERE user_id = pg_temp.person_id(1);

-- Another model begins anew
SELECT pg_temp.model('another', '{"weight_sd": 0.15}') \g /dev/null
SELECT mm_activate_model('another') \g /dev/null
SELECT mm_fuse_session(pg_temp.text(1, 86)) \g /dev/null
SELECT is((SELECT personal_weights FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 86)), '{1,0,0,0}'::real[], 'from its own weights');

-- Many at once are scored as one after the other
SELECT mm_activate_model('own') \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(1)), mm_record_outcome(pg_temp.session_id(1, 86), true) \g /dev/null
SELECT pg_temp.text(1, n) FROM generate_series(87, 90) AS n \g /dev/null
SELECT mm_fuse_pending() \g /dev/null
CREATE TEMP TABLE pending AS SELECT session_id, p_worse_fused, drivers, personal_weights FROM fusion_outputs WHERE session_id > pg_temp.session_id(1, 86) AND user_id = pg_temp.person_id(1);
SELECT is((SELECT count(*) FROM pending), 4::bigint, 'pending sessions are scored');
SELECT mm_rescore_user(pg_temp.person_id(1)) \g /dev/null
SELECT is_empty('TABLE pending EXCEPT SELECT session_id, p_worse_fused, drivers, personal_weights FROM fusion_outputs', 'with the person''s own weights');

-- What another system wrote is no state
UPDATE fusion_outputs SET personal_weights = '{1,0,0,NaN}' WHERE session_id = pg_temp.session_id(1, 90);
SELECT mm_fuse_session(pg_temp.text(1, 91)) \g /dev/null
SELECT is((SELECT personal_weights FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 91)), '{1,0,0,0}'::real[], 'damage is nothing: the model''s weights are taken');

SELECT * FROM finish();
ROLLBACK;
