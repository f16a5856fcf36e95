-- user_baselines: what is usual for a person on six metrics.
BEGIN;
SELECT no_plan();
\ir lib/person.psql

CREATE FUNCTION pg_temp.mood(stress float8, rest float8) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('emotional_state', '{"primary": "calm", "intensity": 5}'::jsonb, 'energy_level', rest, 'stress_level', stress,
        'physical_comfort', rest, 'social_connection', rest, 'timestamp', '2025-01-01T00:00:00Z')
$$;
-- A session with the given wellness scores, on a day. A quick one: text alone suffices.
CREATE FUNCTION pg_temp.day(person int, number int, at float8, text float8, audio float8, visual float8, before jsonb DEFAULT NULL, after jsonb DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    session uuid := pg_temp.session_id(person, number);
BEGIN
    INSERT INTO assessment_sessions (id, user_id, assessment_type, mood_before, mood_after, created_at)
    VALUES (session, pg_temp.person_id(person), 'quick', before, after, '2025-01-01 12:00+00'::timestamptz + at * interval '24 hours');
    INSERT INTO text_analysis (session_id, text_wellness_score, cognitive_markers) VALUES (session, text, '{"clarity_score": 0.5, "coherence_score": 0.5,
        "thought_patterns": [], "cognitive_load": 0.5, "focus_indicators": [], "decision_making_patterns": []}');
    IF audio IS NOT NULL THEN INSERT INTO audio_analysis (session_id, audio_wellness_score) VALUES (session, audio); END IF;
    IF visual IS NOT NULL THEN INSERT INTO visual_analysis (session_id, visual_wellness_score) VALUES (session, visual); END IF;
    PERFORM mm_fuse_session(session);
END;
$$;
CREATE FUNCTION pg_temp.metric(person int, metric text) RETURNS TABLE (n int, mean float8, m2 float8, baseline numeric, confidence numeric) LANGUAGE sql AS $$
    SELECT sample_count, b.mean, b.m2, baseline_score, confidence_level FROM user_baselines AS b WHERE user_id = pg_temp.person_id(person) AND metric_type = metric
$$;
CREATE FUNCTION pg_temp.close(seen float8, wanted float8, description text) RETURNS text LANGUAGE sql AS $$
    SELECT ok(coalesce(abs(seen - wanted) <= 1e-9 * greatest(1, abs(wanted)), false), format('%s: %s is %s', description, seen, wanted))
$$;

-- The first session: each metric that it says anything about
SELECT pg_temp.day(1, 1, 0, 50, 60, 70, pg_temp.mood(4, 6)) \g /dev/null
SELECT results_eq($$SELECT metric_type, sample_count FROM user_baselines WHERE user_id = pg_temp.person_id(1) ORDER BY 1$$,
    $$VALUES ('audio_wellness', 1), ('combined_wellness', 1), ('stress_levels', 1), ('text_wellness', 1), ('visual_wellness', 1)$$,
    'five metrics; mood_stability needs three reports');
SELECT results_eq('SELECT n, mean, m2, baseline, confidence FROM pg_temp.metric(1, ''text_wellness'')',
    'VALUES (1, 50::float8, 0::float8, 50::numeric, 1::numeric / 6)', 'text_wellness is the analysis'' own score; confidence_level = n/(n+5)');
SELECT results_eq('SELECT mean FROM pg_temp.metric(1, ''audio_wellness'') UNION ALL SELECT mean FROM pg_temp.metric(1, ''visual_wellness'')', 'VALUES (60::float8), (70)', 'audio and visual likewise');
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'stress_levels')), 40, 'stress_levels = 10 x stress');
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'combined_wellness')), (SELECT 100 * (1 - p_worse_fused) FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 1)), 'combined_wellness = 100 (1 - p), not rounded');
SELECT is((SELECT self_report FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 1)), (6 + 7 + 6 + 6) / 4.0::float8, 'the composite of the report');

-- Then four more within the month: mood_after goes before mood_before
SELECT pg_temp.day(1, 2, 1, 52, NULL, NULL, pg_temp.mood(9, 1), pg_temp.mood(5, 5)) \g /dev/null
SELECT is((SELECT count(*) FROM pg_temp.metric(1, 'mood_stability')), 0::bigint, 'two reports tell nothing of stability');
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'stress_levels')), 45, 'mood_after counts, where there is one');
SELECT pg_temp.day(1, 3, 2, 48, NULL, NULL, pg_temp.mood(3, 8)) \g /dev/null
-- Composites 6.25, 5.25, 8: differences -1, 2.75; RMSSD = sqrt((1 + 7.5625) / 2)
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'mood_stability')), 100 - 100 * sqrt((1 + 7.5625) / 2) / 9, 'mood_stability = 100 - 100 RMSSD / 9 with the third report');
SELECT pg_temp.day(1, 4, 3, 51, NULL, NULL) \g /dev/null
SELECT is((SELECT n FROM pg_temp.metric(1, 'mood_stability')), 1, 'a session without a report does not count for it');
SELECT is((SELECT n FROM pg_temp.metric(1, 'stress_levels')), 3, 'nor for stress_levels');
SELECT pg_temp.day(1, 5, 4, 49, NULL, NULL) \g /dev/null
SELECT results_eq('SELECT n, round(mean::numeric, 9), round(m2::numeric, 9), confidence FROM pg_temp.metric(1, ''text_wellness'')',
    'VALUES (5, 50.000000000::numeric, 10.000000000::numeric, 0.5::numeric)', 'after 50, 52, 48, 51, 49: mean 50, sum of squares 10, confidence one half');
SELECT is((SELECT n FROM pg_temp.metric(1, 'audio_wellness')), 1, 'a modality that is absent teaches nothing');

-- Winsorising: 100 is taken as 50 + 3 sqrt(10/4) = 54.743416490252569
SELECT pg_temp.day(1, 6, 5, 100, NULL, NULL) \g /dev/null
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'text_wellness')), 50 + 3 * sqrt(2.5) / 6, 'an outlier is clipped to mean + 3 sd from the fifth value on');
SELECT pg_temp.close((SELECT m2 FROM pg_temp.metric(1, 'text_wellness')), 10 + 22.5 * 5 / 6, 'in the sum of squares too');
SELECT pg_temp.close((SELECT mean FROM user_feature_baselines WHERE user_id = pg_temp.person_id(1) AND feature_name = 'text.wellness_score'), 50 + 3 * sqrt(2.5) / 6, 'as in the baselines of features');
SELECT pg_temp.day(1, 7, 6, 0, NULL, NULL) \g /dev/null
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'text_wellness')),
    (SELECT mean + (mean - 3 * sqrt((10 + 18.75) / 5) - mean) / 7 FROM (SELECT 50 + 3 * sqrt(2.5) / 6 AS mean) AS x), 'and downwards to mean - 3 sd');
SELECT pg_temp.close((SELECT confidence::float8 FROM pg_temp.metric(1, 'text_wellness')), 7 / 12.0, 'confidence_level = n/(n+5)');
SELECT is((SELECT round(baseline, 9) FROM pg_temp.metric(1, 'text_wellness')), (SELECT round(mean::numeric, 9) FROM pg_temp.metric(1, 'text_wellness')), 'baseline_score is the mean');

-- Reports older than thirty days are not looked at: day 33 sees day 3 no more, but this is its only report
SELECT pg_temp.day(1, 8, 32.5, 50, NULL, NULL, pg_temp.mood(5, 5)) \g /dev/null
SELECT is((SELECT n FROM pg_temp.metric(1, 'mood_stability')), 1, 'one report within thirty days tells nothing');
SELECT pg_temp.day(1, 9, 33, 50, NULL, NULL, pg_temp.mood(1, 10)) \g /dev/null
SELECT pg_temp.day(1, 10, 34, 50, NULL, NULL, pg_temp.mood(10, 1)) \g /dev/null
-- Composites 5.25, 10, 1
SELECT pg_temp.close((SELECT mean FROM pg_temp.metric(1, 'mood_stability')),
    ((100 - 100 * sqrt((1 + 7.5625) / 2) / 9) + (100 - 100 * sqrt((4.75 ^ 2 + 9 ^ 2) / 2) / 9)) / 2, 'the next month is looked at on its own');
-- Exactly thirty days is within
SELECT pg_temp.day(2, 1, 0, 50, NULL, NULL, pg_temp.mood(5, 5)), pg_temp.day(2, 2, 1, 50, NULL, NULL, pg_temp.mood(5, 6)), pg_temp.day(2, 3, 30, 50, NULL, NULL, pg_temp.mood(5, 7)) \g /dev/null
SELECT is((SELECT n FROM pg_temp.metric(2, 'mood_stability')), 1, 'a report of exactly thirty days ago counts');

-- Without a wellness score of its own a modality's metric is 100 (1 - p)
INSERT INTO assessment_sessions (id, user_id) VALUES (pg_temp.session_id(3, 1), pg_temp.person_id(3));
INSERT INTO visual_analysis (session_id, facial_expressions) VALUES (pg_temp.session_id(3, 1), '{"primary_emotions": [], "expression_changes": [], "overall_expressiveness": 0.9}');
INSERT INTO text_analysis (session_id, text_wellness_score) VALUES (pg_temp.session_id(3, 1), 42);
INSERT INTO passive_analysis (session_id, passive_wellness_score) VALUES (pg_temp.session_id(3, 1), 30);
SELECT qc_overall AS qc FROM mm_fuse_session(pg_temp.session_id(3, 1)) \gset
SELECT is(:'qc'::text, 'insufficient', 'so little is insufficient');
SELECT is((SELECT count(*) FROM user_baselines WHERE user_id = pg_temp.person_id(3)), 0::bigint, 'and teaches no metric');
SELECT is((SELECT count(*) FROM user_feature_baselines WHERE user_id = pg_temp.person_id(3)), 0::bigint, 'nor any feature');
INSERT INTO audio_analysis (session_id, audio_wellness_score, vocal_characteristics, prosodic_features) VALUES (pg_temp.session_id(3, 1), NULL,
    '{"pitch_mean": 150, "pitch_variance": 500, "speaking_rate": 150, "volume_mean": 60, "voice_quality": "x", "breath_patterns": {"frequency": 15, "regularity": 0.7}}',
    '{"rhythm_stability": 0.6, "stress_patterns": [], "intonation_patterns": [], "pause_patterns": {"frequency": 10, "duration_mean": 0.5, "placement": []}}');
SELECT qc_overall AS qc FROM mm_fuse_session(pg_temp.session_id(3, 1), refresh => true) \gset
SELECT isnt(:'qc'::text, 'insufficient', 'with audio it suffices');
SELECT results_eq($$SELECT metric_type, round(mean::numeric, 9) FROM user_baselines WHERE user_id = pg_temp.person_id(3) ORDER BY 1$$,
    $$SELECT v.* FROM fusion_outputs AS f CROSS JOIN LATERAL (VALUES ('audio_wellness', round(100 * (1 - p_worse_audio)::numeric, 9)),
        ('combined_wellness', round((100 * (1 - p_worse_fused))::numeric, 9)), ('text_wellness', 42.0), ('visual_wellness', round((100 * (1 - p_worse_visual))::numeric, 9))) AS v
      WHERE f.session_id = pg_temp.session_id(3, 1)$$, 'now all learn, a modality without a score of its own 100 (1 - p)');
SELECT is((SELECT array_agg(modality ORDER BY modality) FROM (SELECT DISTINCT modality FROM user_feature_baselines WHERE user_id = pg_temp.person_id(3)) AS m), '{audio,passive,text,visual}', 'and the features of all four modalities');

-- The table takes those six metrics and no numbers out of range
SELECT throws_ok(format($$INSERT INTO user_baselines (user_id, metric_type, baseline_score) VALUES ('%s', 'passive_wellness', 50)$$, pg_temp.person_id(9)), '23514', NULL, 'a seventh metric');
SELECT throws_ok(format($$INSERT INTO user_baselines (user_id, metric_type, baseline_score, mean) VALUES ('%s', 'stress_levels', 50, 'NaN')$$, pg_temp.person_id(9)), '23514', NULL, 'NaN');
SELECT throws_ok(format($$INSERT INTO user_baselines (user_id, metric_type, baseline_score) VALUES ('%s', 'stress_levels', 101)$$, pg_temp.person_id(9)), '23514', NULL, 'more than 100');
SELECT is_empty('SELECT id FROM user_baselines WHERE confidence_level <> sample_count / (sample_count + 5.0) OR sample_count < 1', 'confidence_level = n/(n+5) everywhere');

SELECT * FROM finish();
ROLLBACK;
