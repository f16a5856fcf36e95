-- A person's first sessions, against numbers computed from docs/scoring.md alone with scipy
-- (lib/scoring_in_database.py prints the rows below): that the glue hands the right inputs over.
BEGIN;
SELECT no_plan();
\ir lib/person.psql

SELECT mm_register_model($${
    "model_version": "by hand",
    "features": [
        {"name": "text.negative", "modality": "text", "document": "sentiment_analysis", "path": "$.sentiment_scores.negative", "weight": 0.6, "population_mean": 0.2, "population_sd": 0.15},
        {"name": "text.wellness", "modality": "text", "document": "text_wellness_score", "path": "$", "weight": -0.5, "population_mean": 70, "population_sd": 15},
        {"name": "text.transcripts", "modality": "text", "document": "session.text_data", "path": "$.transcripts", "reduce": "count", "transform": "log1p", "weight": 0.3, "population_mean": 1.0, "population_sd": 0.4},
        {"name": "audio.pitch", "modality": "audio", "document": "vocal_characteristics", "path": "$.pitch_mean", "weight": 0.4, "population_mean": 165, "population_sd": 49},
        {"name": "audio.wellness", "modality": "audio", "document": "audio_wellness_score", "path": "$", "weight": -0.7, "population_mean": 70, "population_sd": 15},
        {"name": "visual.expressiveness", "modality": "visual", "document": "facial_expressions", "path": "$.overall_expressiveness", "weight": -0.8, "population_mean": 0.5, "population_sd": 0.18}],
    "modalities": {
        "text": {"intercept": 0.1, "reliability": 0.9, "expected_weight": {"full": 1, "quick": 1, "voice-only": 0.5}, "quality_path": "$.processing_metadata.quality_score"},
        "audio": {"reliability": 1, "expected_weight": {"full": 1, "quick": 0, "voice-only": 2}, "calibration_prior": {"a": 1.2, "b": -0.9, "sd_a": 0.2, "sd_b": 0.4}},
        "visual": {"intercept": -0.2, "reliability": 0.8, "expected_weight": {"full": 1, "quick": 0, "voice-only": 0}}},
    "fusion": {"rho": 0.2, "prior_rate": 0.25, "prior_strength": 4, "miss_var": 1.0}
}$$) \g /dev/null
SELECT mm_activate_model('by hand');

-- What scipy says: session, p_worse_fused, of text, audio, visual, score, smoothed, its variance,
-- uncertainty, coverage, deviation from the baseline.
CREATE TEMP TABLE expected (session text, p float8, p_text float8, p_audio float8, p_visual float8, score int,
    smoothed float8, smoothed_variance float8, uncertainty float8, coverage float8, deviation float8);
INSERT INTO expected VALUES
    ('A', 0.5236712800271597, 0.5865455465810274, 0.32702294792451914, NULL, 48, 61.040862018006514, 195.97218998488762, 0.644820490233373, 0.5733333333333334, NULL),
    ('B', 0.42157004877816795, 0.43059656967621274, NULL, NULL, 58, 59.49464817184065, 101.99159484625908, 0.4777865268732895, 0.7071428571428572, NULL),
    ('C', 0.0804818906731301, 0.05929996713133701, 0.26387653450276394, NULL, 92, 78.08704273887396, 52.00451452043284, 0.3134472262381454, 0.4212121212121212, NULL),
    ('C refreshed', 0.14536264852596098, 0.05929996713133701, 0.26387653450276394, 0.49599429333640654, 85, 68.56299968021509, 79.22968149732868, 0.4955236846056179, 0.687878787878788, NULL),
    ('D', 0.9818888346755678, 0.9955220188996913, 0.36296293828303744, NULL, 2, 49.06476996329452, 56.79458594373602, 0.458716047355639, 0.9800000000000001, -2.736136314422297),
    ('E', 0.1592292251645986, 0.4067047976131675, 0.19264167832803042, 0.23802560092813083, 84, 64.34129230908925, 32.71865123608653, 0.28487353734407667, 0.8357142857142859, 0.9223376059202243);
-- feature, n, mean, m2, sd after all of them
CREATE TEMP TABLE expected_baseline (feature text, n float8, mean float8, m2 float8, sd float8);
INSERT INTO expected_baseline VALUES
    ('text.negative', 5, 0.32599999999999996, 0.09412, 0.15339491516996254),
    ('text.wellness', 5, 62.1, 1051.2, 16.211107303327555),
    ('text.transcripts', 3, 0.6931471805599453, 0.9609060278364028, 0.6931471805599453),
    ('audio.pitch', 4, 155.4375, 523.546875, 13.210436215356403),
    ('audio.wellness', 3, 60.166666666666664, 423.16666666666674, 14.545904349105744),
    ('visual.expressiveness', 2, 0.41500000000000004, 0.07604999999999998, 0.2757716446627535);

CREATE TEMP TABLE seen (LIKE expected);
CREATE FUNCTION pg_temp.score(number int, name text, refresh boolean DEFAULT false) RETURNS void LANGUAGE sql AS $$
    SELECT mm_fuse_session(pg_temp.session_id(1, number), refresh);
    INSERT INTO seen SELECT name, p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual, score, score_smoothed, smoothed_variance,
        uncertainty, (drivers -> 'uncertainty' ->> 'coverage')::float8, baseline_deviation
    FROM fusion_outputs JOIN mind_measure_scores USING (session_id) WHERE session_id = pg_temp.session_id(1, number);
$$;
CREATE FUNCTION pg_temp.session(number int, day float8, type text, text_data jsonb DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    INSERT INTO assessment_sessions (id, user_id, assessment_type, text_data, created_at)
    VALUES (pg_temp.session_id(1, number), pg_temp.person_id(1), type, text_data, '2025-03-01 12:00+00'::timestamptz + day * interval '24 hours')
$$;
CREATE FUNCTION pg_temp.text(number int, negative float8, wellness float8, processed timestamptz DEFAULT '2025-03-02') RETURNS void LANGUAGE sql AS $$
    INSERT INTO text_analysis (session_id, sentiment_analysis, text_wellness_score, processed_at) VALUES (pg_temp.session_id(1, number),
        jsonb_build_object('overall_sentiment', 'neutral', 'confidence', 1, 'emotional_tone', 'calm', 'mood_indicators', '[]'::jsonb,
            'sentiment_scores', jsonb_build_object('positive', 0.1, 'negative', negative, 'neutral', 0.1)), wellness, processed)
$$;
CREATE FUNCTION pg_temp.audio(number int, pitch float8, wellness float8, processed timestamptz DEFAULT '2025-03-02') RETURNS void LANGUAGE sql AS $$
    INSERT INTO audio_analysis (session_id, vocal_characteristics, audio_wellness_score, processed_at) VALUES (pg_temp.session_id(1, number),
        jsonb_build_object('pitch_mean', pitch, 'pitch_variance', 1, 'speaking_rate', 1, 'volume_mean', 1, 'voice_quality', 'x',
            'breath_patterns', '{"frequency": 1, "regularity": 1}'::jsonb), wellness, processed)
$$;
CREATE FUNCTION pg_temp.visual(number int, expressiveness float8) RETURNS void LANGUAGE sql AS $$
    INSERT INTO visual_analysis (session_id, facial_expressions, visual_wellness_score) VALUES (pg_temp.session_id(1, number),
        jsonb_build_object('primary_emotions', '[]'::jsonb, 'expression_changes', '[]'::jsonb, 'overall_expressiveness', expressiveness), 55)
$$;

-- Somebody else, whose history must not matter
SELECT pg_temp.analyse(pg_temp.add_session(2, n, pg_temp.session_time(2, n)), 'text') FROM generate_series(1, 5) AS n \g /dev/null
SELECT mm_fuse_session(pg_temp.session_id(2, n)) FROM generate_series(1, 5) AS n \g /dev/null
SELECT mm_record_outcome(pg_temp.session_id(2, n), true) FROM generate_series(1, 5) AS n \g /dev/null
INSERT INTO user_calibration (user_id, modality, a, b, covariance) VALUES (pg_temp.person_id(2), 'audio', 9, 9, '{1,0,1}');

-- E exists from the start: the outcome of a later session does not count.
SELECT pg_temp.session(5, 23.5, 'full'), mm_record_outcome(pg_temp.session_id(1, 5), true) \g /dev/null

-- A: the person's first session. The newest analysis of a modality is read, whatever the order of
-- insertion; features from session.text_data and *_wellness_score; quality_path.
SELECT pg_temp.session(1, 0, 'full', '{"transcripts": ["a", "b", "c"], "processing_metadata": {"source": "chat", "quality_score": 0.8}}'),
    pg_temp.text(1, 0.9, 10, '2025-03-01'), pg_temp.text(1, 0.45, 52, '2025-03-03'), pg_temp.text(1, 0.01, 99, '2025-03-02'),
    pg_temp.audio(1, 300, 5, '2025-03-02'), pg_temp.audio(1, 140.5, 61.5, '2025-03-02 00:00:01') \g /dev/null
SELECT pg_temp.score(1, 'A') \g /dev/null

-- B: baselines of one session; the outcome of A counts; the expected weights are those of quick
SELECT mm_record_outcome(pg_temp.session_id(1, 1), true) \g /dev/null
SELECT pg_temp.session(2, 1.5, 'quick'), pg_temp.text(2, 0.31, 66) \g /dev/null
SELECT pg_temp.score(2, 'B') \g /dev/null

-- C: after almost twenty days, with calibrations; a NULL wellness score is missing; an empty list counts 0
SELECT mm_record_outcome(pg_temp.session_id(1, 2), false) \g /dev/null
INSERT INTO user_calibration (user_id, modality, a, b, covariance) VALUES
    (pg_temp.person_id(1), 'text', 1.4, -0.6, '{0.04,0.01,0.09}'), (pg_temp.person_id(1), 'audio', 0.7, -1.1, '{0.02,-0.005,0.05}');
SELECT pg_temp.session(3, 21.25, 'full', '{"transcripts": [], "processing_metadata": {"source": "chat"}}'),
    pg_temp.text(3, 0.12, 81), pg_temp.audio(3, 171.25, NULL) \g /dev/null
SELECT pg_temp.score(3, 'C') \g /dev/null
-- Visual arrives. Text keeps its p although its calibration and its newest analysis are other ones by now.
UPDATE user_calibration SET a = 3.0, b = 0.5, covariance = '{0.01,0,0.02}' WHERE user_id = pg_temp.person_id(1) AND modality = 'text';
SELECT pg_temp.visual(3, 0.22), pg_temp.text(3, 0.99, 1, '2025-04-01') \g /dev/null
SELECT pg_temp.score(3, 'C refreshed', true) \g /dev/null

-- D: voice-only; the changed calibration counts from now on
SELECT pg_temp.session(4, 22.25, 'voice-only', '{"transcripts": ["a"]}'), pg_temp.text(4, 0.5, 40), pg_temp.audio(4, 150, 45) \g /dev/null
SELECT pg_temp.score(4, 'D') \g /dev/null

-- E: three earlier outcomes, two of them worse; without text_data a feature of it is missing
SELECT mm_record_outcome(pg_temp.session_id(1, 4), true) \g /dev/null
SELECT pg_temp.text(5, 0.25, 71.5), pg_temp.audio(5, 160, 74), pg_temp.visual(5, 0.61) \g /dev/null
SELECT pg_temp.score(5, 'E') \g /dev/null

-- Then every number is the one computed apart ------------------------------------------------
CREATE FUNCTION pg_temp.close(seen float8, wanted float8, description text) RETURNS text LANGUAGE sql AS $$
    SELECT ok(CASE WHEN wanted IS NULL OR seen IS NULL THEN wanted IS NULL AND seen IS NULL
              ELSE abs(seen - wanted) <= 1e-9 * greatest(1, abs(wanted)) END,
              format('%s: %s', description, coalesce(wanted::text, 'none')))
           || CASE WHEN abs(seen - wanted) > 1e-9 * greatest(1, abs(wanted)) OR (seen IS NULL) <> (wanted IS NULL)
              THEN E'\n# seen: ' || coalesce(seen::text, 'NULL') ELSE '' END
$$;
SELECT pg_temp.close(v.seen, v.wanted, s.session || ': ' || v.what)
FROM seen AS s JOIN expected AS e USING (session)
CROSS JOIN LATERAL (VALUES
    (1, 'p_worse_fused', s.p, e.p), (2, 'p_worse_text', s.p_text, e.p_text), (3, 'p_worse_audio', s.p_audio, e.p_audio),
    (4, 'p_worse_visual', s.p_visual, e.p_visual), (5, 'score', s.score, e.score), (6, 'score_smoothed', s.smoothed, e.smoothed),
    (7, 'smoothed_variance', s.smoothed_variance, e.smoothed_variance), (8, 'uncertainty', s.uncertainty, e.uncertainty),
    (9, 'coverage', s.coverage, e.coverage), (10, 'baseline_deviation', s.deviation, e.deviation)) AS v (n, what, seen, wanted)
ORDER BY s.session, v.n;
SELECT pg_temp.close(v.seen, v.wanted, e.feature || ' baseline ' || v.what)
FROM expected_baseline AS e
LEFT JOIN user_feature_baselines AS b ON b.feature_name = e.feature AND b.user_id = pg_temp.person_id(1)
CROSS JOIN LATERAL (VALUES (1, 'n', b.n, e.n), (2, 'mean', b.mean, e.mean), (3, 'm2', b.m2, e.m2), (4, 'sd', b.sd, e.sd)) AS v (n, what, seen, wanted)
ORDER BY e.feature, v.n;
SELECT is((SELECT count(*) FROM user_feature_baselines WHERE user_id = pg_temp.person_id(1)), 6::bigint, 'no other baselines');
SELECT results_eq($$SELECT sample_count, round(mean::numeric, 9), round(m2::numeric, 6) FROM user_baselines
    WHERE user_id = pg_temp.person_id(1) AND metric_type = 'combined_wellness'$$, $$VALUES (5, 55.365559257, 4664.261947)$$, 'combined_wellness has learnt 100 (1 - p) of each session once');
SELECT results_eq($$SELECT is_baseline_session FROM mind_measure_scores JOIN fusion_outputs USING (session_id)
    WHERE mind_measure_scores.user_id = pg_temp.person_id(1) ORDER BY session_created_at$$, $$VALUES (true), (true), (true), (true), (true)$$,
    'the first five are baseline sessions');
SELECT pg_temp.session(6, 24, 'full'), pg_temp.text(6, 0.2, 70) \g /dev/null
SELECT score FROM mm_fuse_session(pg_temp.session_id(1, 6)) \g /dev/null
SELECT is((SELECT is_baseline_session FROM mind_measure_scores WHERE session_id = pg_temp.session_id(1, 6)), false, 'the sixth is none');

SELECT * FROM finish();
ROLLBACK;
