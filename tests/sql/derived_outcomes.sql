-- Outcomes from self-reports: derived when a session is scored, never over what somebody recorded,
-- from the fifth report on, and the same in a replay.
BEGIN;
SELECT no_plan();
\ir lib/snapshot.psql
\ir lib/person.psql

-- A session of a day, with a report whose composite is `wellness`, or none.
CREATE FUNCTION pg_temp.day(person int, number int, wellness float8) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    session CONSTANT uuid := pg_temp.session_id(person, number);
BEGIN
    INSERT INTO assessment_sessions (id, user_id, assessment_type, mood_after, created_at)
    SELECT session, pg_temp.person_id(person), 'quick', CASE WHEN wellness IS NOT NULL THEN jsonb_build_object('emotional_state', '{"primary": "calm", "intensity": 5}'::jsonb,
        'energy_level', wellness, 'stress_level', 11 - wellness, 'physical_comfort', wellness, 'social_connection', wellness, 'timestamp', '2025-01-01T00:00:00Z') END,
        '2025-01-01 12:00+00'::timestamptz + number * interval '1 day';
    PERFORM pg_temp.analyse(session, 'text');
    RETURN session;
END;
$$;
CREATE FUNCTION pg_temp.told(person int) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s%s%s', left(session_id::text, 8)::int, CASE WHEN worse THEN '-' ELSE '+' END, CASE WHEN derived THEN '' ELSE source END), ' ' ORDER BY session_created_at)
    FROM session_outcomes WHERE user_id = pg_temp.person_id(person)
$$;
CREATE FUNCTION pg_temp.live(person int, reports float8[]) RETURNS void LANGUAGE sql AS $$
    SELECT mm_fuse_session(pg_temp.day(person, n, reports[n])) FROM generate_series(1, cardinality(reports)) AS n
$$;

-- The rule: mean 6 and sd 0.8165 of the first four put the limit at 5.59 ------------------------
SELECT pg_temp.live(1, '{5,6,7,6}') \g /dev/null
SELECT is(pg_temp.told(1), NULL, 'the first four reports say nothing');
SELECT mm_fuse_session(pg_temp.day(1, 5, 5.5)) \g /dev/null
SELECT is(pg_temp.told(1), '5-', 'the fifth, below the mean by more than half an sd, is worse');
SELECT results_eq('SELECT source, derived FROM session_outcomes', $$VALUES ('self_report', true)$$, 'it says where it comes from');
SELECT pg_temp.live(2, '{5,6,7,6,5.6}') \g /dev/null
SELECT is(pg_temp.told(2), '5+', 'less than half an sd is not worse');
SELECT pg_temp.live(3, '{5,6,NULL,7,NULL,6,5.5}') \g /dev/null
SELECT is(pg_temp.told(3), '7-', 'reports are counted, not sessions');

-- A report counts for later sessions only ------------------------------------------------------
SELECT is((SELECT (drivers -> 'modalities' -> 'text' ->> 'b')::float8 FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 5)), ln(0.25::float8 / 0.75), 'its own session is scored without it');
SELECT mm_fuse_session(pg_temp.day(1, 6, NULL)) \g /dev/null
SELECT pg_temp.day(1, 7, NULL) \g /dev/null
SELECT ok(abs((drivers -> 'modalities' -> 'text' ->> 'b')::float8 - ln(0.4 / 0.6)) < 1e-12, 'the next one with it: (4 x 0.25 + 1) / 5') FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 6);

-- What somebody recorded stands ------------------------------------------------------------------
SELECT mm_record_outcome(pg_temp.session_id(1, 5), false, 'clinician') \g /dev/null
SELECT is(pg_temp.told(1), '5+clinician', 'a recorded outcome takes the place of the derived one');
SELECT pg_temp.analyse(pg_temp.session_id(1, 5), 'audio') \g /dev/null
SELECT mm_fuse_session(pg_temp.session_id(1, 5), refresh => true) \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(1)) \g /dev/null
SELECT is(pg_temp.told(1), '5+clinician', 'and stays, refreshed and replayed');
SELECT pg_temp.live(4, '{5,6,7,6}') \g /dev/null
SELECT pg_temp.day(4, 5, 1) AS early \gset
SELECT mm_record_outcome(:'early', false, 'clinician') \g /dev/null
SELECT mm_fuse_session(:'early') \g /dev/null
SELECT is(pg_temp.told(4), '5+clinician', 'one recorded before the session is scored stands, too');
SELECT mm_record_outcome(pg_temp.session_id(2, 5), true, 'self_report') \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(2)) \g /dev/null
SELECT is(pg_temp.told(2), '5-self_report', 'so does what the person says expressly');

-- A report changed afterwards --------------------------------------------------------------------
UPDATE assessment_sessions SET mood_after = jsonb_set(mood_after, '{stress_level}', '1') WHERE id = pg_temp.session_id(3, 7);
SELECT mm_rescore_user(pg_temp.person_id(3)) \g /dev/null
SELECT is(pg_temp.told(3), '7+', 'a replay reads it as it is now');
UPDATE assessment_sessions SET mood_after = NULL WHERE id = pg_temp.session_id(3, 7);
SELECT mm_rescore_user(pg_temp.person_id(3)) \g /dev/null
SELECT is(pg_temp.told(3), NULL, 'and takes back what nobody reports any more');

-- Fused in order, then replayed: bit for bit, with outcomes derived, recorded late and recorded early --
CREATE FUNCTION pg_temp.mixed(person int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. 60 LOOP
        PERFORM pg_temp.day(person, n, CASE WHEN n % 4 > 0 THEN 1 + 9 * pg_temp.chance(format('%s/%s report', person, n)) END);
        IF n % 9 = 0 THEN PERFORM mm_record_outcome(pg_temp.session_id(person, n), n % 2 = 0, 'early'); END IF;
        PERFORM mm_fuse_session(pg_temp.session_id(person, n));
        IF n % 7 = 0 THEN PERFORM mm_record_outcome(pg_temp.session_id(person, n), n % 2 = 1, 'late'); END IF;
    END LOOP;
END;
$$;
SELECT pg_temp.mixed(5) \g /dev/null
CREATE TEMP TABLE outcomes_before AS SELECT session_id, worse, source, derived, recorded_at FROM session_outcomes WHERE user_id = pg_temp.person_id(5);
SELECT ok(count(*) FILTER (WHERE derived AND worse) > 5 AND count(*) FILTER (WHERE derived AND NOT worse) > 5 AND count(*) FILTER (WHERE NOT derived) > 10, 'outcomes of all kinds') FROM outcomes_before;
SELECT pg_temp.remember('fused', pg_temp.person_id(5)) \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(5)) \g /dev/null
SELECT pg_temp.remember('replayed', pg_temp.person_id(5)) \g /dev/null
SELECT pg_temp.same('fused', 'replayed');
SELECT set_eq('SELECT session_id, worse, source, derived, recorded_at FROM session_outcomes WHERE user_id = pg_temp.person_id(5)', 'SELECT * FROM outcomes_before', 'the outcomes are the same');
DELETE FROM user_baselines WHERE user_id = pg_temp.person_id(5);
SELECT mm_update_baselines(pg_temp.person_id(5)) \g /dev/null
SELECT pg_temp.remember('rebuilt', pg_temp.person_id(5)) \g /dev/null
SELECT pg_temp.same('fused', 'rebuilt');
DELETE FROM session_outcomes WHERE user_id = pg_temp.person_id(5) AND derived;
SELECT mm_rescore_user(pg_temp.person_id(5)) \g /dev/null
SELECT pg_temp.remember('derived anew', pg_temp.person_id(5)) \g /dev/null
SELECT pg_temp.same('fused', 'derived anew');

-- A model whose outcomes lose worth with age -----------------------------------------------------
SELECT mm_register_model(jsonb_set(jsonb_set(spec, '{fusion,outcome_half_life_days}', '6.3'), '{model_version}', '"decaying"')) FROM mm_models WHERE model_version = 'v1.0' \g /dev/null
SELECT mm_activate_model('decaying') \g /dev/null
SELECT pg_temp.mixed(6) \g /dev/null
SELECT pg_temp.remember('decaying', pg_temp.person_id(6)) \g /dev/null
SELECT mm_rescore_user(pg_temp.person_id(6)) \g /dev/null
SELECT pg_temp.remember('decaying, replayed', pg_temp.person_id(6)) \g /dev/null
SELECT pg_temp.same('decaying', 'decaying, replayed');
WITH known AS (
    SELECT sum(2 ^ (-extract(epoch FROM l.session_created_at - o.session_created_at)::float8 / 86400 / 6.3)) AS n,
           sum(2 ^ (-extract(epoch FROM l.session_created_at - o.session_created_at)::float8 / 86400 / 6.3)) FILTER (WHERE o.worse) AS worse, l.drivers
    FROM fusion_outputs AS l JOIN session_outcomes AS o ON o.user_id = l.user_id AND o.session_created_at < l.session_created_at
    WHERE l.session_id = pg_temp.session_id(6, 60) GROUP BY l.drivers)
SELECT ok(abs(1 / (1 + exp(-(drivers -> 'modalities' -> 'text' ->> 'b')::float8)) - (4 * 0.25 + worse) / (4 + n)) < 1e-12, 'an outcome of that age counts half') FROM known;
SELECT * FROM finish();
ROLLBACK;
