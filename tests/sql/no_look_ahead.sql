-- A score knows what lies before its session and nothing else; and mm_model_report() judges a model
-- with exactly the probabilities that scoring gives.
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
\ir lib/person.psql
\ir lib/snapshot.psql
CREATE FUNCTION pg_temp.begin(person int, number int) RETURNS uuid LANGUAGE sql AS $$
    SELECT session FROM pg_temp.add_session(person, number, '2025-01-01 08:00+00'::timestamptz + number * interval '1 day') AS session
$$;
-- Forty days: a session is scored, then somebody says whether the day was worse.
CREATE FUNCTION pg_temp.live(person int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    session uuid;
BEGIN
    FOR number IN 1 .. 40 LOOP
        session := pg_temp.begin(person, number);
        PERFORM pg_temp.analyse(session, m) FROM unnest(pg_temp.modalities(person, number)) AS m;
        PERFORM mm_fuse_session(session);
        PERFORM mm_record_outcome(session, pg_temp.chance(format('%s/%s worse', person, number)) < 0.4);
    END LOOP;
END;
$$;
SELECT pg_temp.live(person) FROM generate_series(1, 6) AS person \g /dev/null
CREATE FUNCTION pg_temp.until(person int, number int) RETURNS TABLE (relation text, key text, line text) LANGUAGE sql AS $$
    SELECT c.* FROM pg_temp.computed(pg_temp.person_id(person)) AS c
    WHERE c.relation IN ('fusion_outputs', 'mind_measure_scores') AND c.key::uuid <= pg_temp.session_id(person, number)
$$;

-- The report's probabilities are those of the scores ---------------------------------------------
SELECT is(r.n, 240::bigint, 'every session is judged') FROM mm_model_report() AS r WHERE predictor = 'model';
SELECT ok(abs(r.brier - s.brier) < 1e-12 AND abs(r.log_loss - s.log_loss) < 1e-12, format('given no calibration of a person, by the very p_worse_fused that was stored: Brier %s, %s', r.brier, s.brier))
FROM mm_model_report() AS r,
     (SELECT avg((f.p_worse_fused - o.worse::int) ^ 2) AS brier, avg(-ln(CASE WHEN o.worse THEN f.p_worse_fused ELSE 1 - f.p_worse_fused END)) AS log_loss
      FROM fusion_outputs AS f JOIN session_outcomes AS o USING (session_id)) AS s
WHERE r.predictor = 'model';

-- Given all forty days ---------------------------------------------------------------------------
CREATE TEMP TABLE twenty AS SELECT * FROM pg_temp.until(1, 20);
CREATE FUNCTION pg_temp.later(person int) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(f.p_worse_fused::text, ' ' ORDER BY f.session_id)) FROM fusion_outputs AS f
    WHERE f.user_id = pg_temp.person_id(person) AND f.session_id > pg_temp.session_id(person, 20)
$$;
CREATE TEMP TABLE later AS SELECT pg_temp.later(1) AS hash;
SELECT is((SELECT count(*) FROM twenty), 40::bigint, 'twenty scores and their comparisons');

-- What comes later is permuted: outcomes turned round, analyses of other days, sessions that never were.
UPDATE session_outcomes SET worse = NOT worse WHERE user_id = pg_temp.person_id(1) AND session_id > pg_temp.session_id(1, 20);
UPDATE text_analysis AS t SET text_wellness_score = 100 - t.text_wellness_score WHERE t.user_id = pg_temp.person_id(1) AND t.session_id > pg_temp.session_id(1, 20);
UPDATE assessment_sessions SET mood_before = NULL, mood_after = NULL WHERE user_id = pg_temp.person_id(1) AND id BETWEEN pg_temp.session_id(1, 25) AND pg_temp.session_id(1, 35);
DELETE FROM session_keys WHERE user_id = pg_temp.person_id(1) AND id BETWEEN pg_temp.session_id(1, 30) AND pg_temp.session_id(1, 33);
SELECT mm_rescore_user(pg_temp.person_id(1)) \g /dev/null
SELECT set_eq('SELECT * FROM pg_temp.until(1, 20)', 'SELECT * FROM twenty', 'permuting what comes later changes no earlier score, comparison or trend: bit for bit');
SELECT isnt(later.hash, pg_temp.later(1), 'while the later ones are others now') FROM later;

-- A session that comes late is put where it belongs: its rate is that of the outcomes before it.
SELECT session AS late FROM pg_temp.add_session(2, 99, '2025-01-21 20:00+00') AS session \gset
INSERT INTO text_analysis (session_id, text_wellness_score) VALUES (:'late', 50);
SELECT mm_fuse_session(:'late') \g /dev/null
SELECT ok(abs((f.drivers #>> '{modalities,text,b}')::float8 - ln(r.rate / (1 - r.rate))) < 1e-12, 'by its outcomes before, not by those after')
FROM fusion_outputs AS f,
     (SELECT (4 * 0.25 + count(*) FILTER (WHERE worse)) / (4 + count(*)) AS rate
      FROM session_outcomes WHERE user_id = pg_temp.person_id(2) AND session_created_at < '2025-01-21 20:00+00') AS r
WHERE f.session_id = :'late';
SELECT is((m.baseline_comparison #>> '{comparison_period,end_date}')::date <= '2025-01-21', true, 'compared with sessions before it') FROM mind_measure_scores AS m WHERE m.session_id = :'late';
SELECT ok((m.trend_analysis #>> '{windows,long_term,n}')::int <= 21, 'its trend looks back only') FROM mind_measure_scores AS m WHERE m.session_id = :'late';

-- An outcome of the session itself, known before it is scored, is none of its own evidence.
SELECT pg_temp.begin(3, 41) AS known \gset
SELECT rate AS before FROM mm_own_rate(pg_temp.person_id(3)) \gset
INSERT INTO text_analysis (session_id, text_wellness_score) VALUES (:'known', 50);
SELECT mm_record_outcome(:'known', true) \g /dev/null
SELECT mm_fuse_session(:'known') \g /dev/null
SELECT ok(abs((drivers #>> '{modalities,text,b}')::float8 - ln(:before / (1 - :before))) < 1e-12, 'its own outcome, known beforehand, does not count for it') FROM fusion_outputs WHERE session_id = :'known';

SELECT * FROM finish();
ROLLBACK;
