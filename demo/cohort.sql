-- A SIMULATED cohort: 20 invented people, 60 daily sessions each, the last one
-- yesterday. Nobody's data. Persons 04, 11 and 17 really decline from day 35 on;
-- the others only vary about their own usual.
--
-- Every number is a hash of person, session and indicator: no random(), so the
-- cohort is the same on every machine and every day.
BEGIN;

CREATE FUNCTION pg_temp.uniform(key text) RETURNS float8
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT (('x' || substr(md5(key), 1, 13))::bit(52)::bigint + 0.5) / 2 ^ 52 $$;

-- Box–Muller.
CREATE FUNCTION pg_temp.normal(key text) RETURNS float8
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT sqrt(-2 * ln(pg_temp.uniform(key || '/radius'))) * cos(2 * pi() * pg_temp.uniform(key || '/angle')) $$;

-- 1 to 10, as people answer.
CREATE FUNCTION pg_temp.answer(middle float8, shift float8) RETURNS int
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT least(10, greatest(1, round(middle + shift)))::int $$;

-- People -------------------------------------------------------------------------------
CREATE TEMP TABLE person AS
SELECT number,
    md5('simulated person ' || number)::uuid AS user_id,
    format('Person %s (simulated)', lpad(number::text, 2, '0')) AS name,
    number IN (4, 11, 17) AS declines
FROM generate_series(1, 20) AS number;

INSERT INTO auth.users (id, email, raw_user_meta_data)
SELECT user_id, format('person%s@example.invalid', lpad(number::text, 2, '0')),
    jsonb_build_object('display_name', name)
FROM person;

-- Sessions: how well somebody is, in units of their own day-to-day variation ------------
CREATE TEMP TABLE session AS
SELECT person.number AS person, person.user_id, day,
    md5(format('simulated session %s of person %s', day, person.number))::uuid AS session_id,
    (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => 61 - day)
        + interval '17 hours' + make_interval(mins => floor(300 * pg_temp.uniform(format('hour %s %s', person.number, day)))::int)
    ) AT TIME ZONE 'UTC' AS held_at,
    CASE
        WHEN kind < 0.70 THEN 'full'
        WHEN kind < 0.85 THEN 'quick'
        ELSE 'voice-only'
    END AS assessment_type,
    -- Good and bad days come in runs: a moving average of daily shocks.
    0.35 * recent.mood
        - CASE WHEN person.declines THEN 0.07 * greatest(0, day - 35) ELSE 0 END AS wellbeing
FROM person
CROSS JOIN generate_series(1, 60) AS day
CROSS JOIN LATERAL (SELECT pg_temp.uniform(format('kind %s %s', person.number, day)) AS kind) AS k
CROSS JOIN LATERAL (
    SELECT sum(0.8 * 0.6 ^ back * pg_temp.normal(format('shock %s %s', person.number, day - back))) AS mood
    FROM generate_series(0, 8) AS back
) AS recent;

INSERT INTO assessment_sessions (id, user_id, status, assessment_type, mood_before, text_data, created_at, updated_at)
SELECT session_id, user_id, 'pending', assessment_type,
    jsonb_build_object(
        'emotional_state', jsonb_build_object(
            'primary', CASE WHEN wellbeing > 0.3 THEN 'content' WHEN wellbeing > -0.6 THEN 'calm' ELSE 'low' END,
            'intensity', pg_temp.answer(5, noise)),
        'energy_level', pg_temp.answer(6, usual + 1.2 * wellbeing + 0.7 * noise),
        'stress_level', pg_temp.answer(5, -usual - 1.2 * wellbeing + 0.7 * pg_temp.normal('stress ' || session_id)),
        'sleep_quality', pg_temp.answer(6, usual + wellbeing + pg_temp.normal('rest ' || session_id)),
        'physical_comfort', pg_temp.answer(7, usual + 0.6 * wellbeing + 0.7 * pg_temp.normal('comfort ' || session_id)),
        'social_connection', pg_temp.answer(6, usual + wellbeing + 0.7 * pg_temp.normal('social ' || session_id)),
        'timestamp', to_char(held_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
    jsonb_build_object(
        'user_input', '(simulated)',
        'processing_metadata', jsonb_build_object(
            'source', CASE assessment_type WHEN 'voice-only' THEN 'voice_transcript' ELSE 'manual' END,
            'quality_score', round((0.85 + 0.1 * pg_temp.uniform('quality ' || session_id))::numeric, 2),
            'language', 'en')),
    held_at, held_at
FROM session
CROSS JOIN LATERAL (
    SELECT pg_temp.normal('answers ' || session_id) AS noise, pg_temp.normal('usual answers ' || user_id) AS usual
) AS n;

-- Indicators: what analysis finds in text, voice, face and sensors ----------------------
-- better: +1 where more of it goes with feeling better, -1 where with feeling worse,
-- 0 where with neither. Those on a log scale are given there: value = exp(x) - 1.
CREATE TEMP TABLE indicator (name text, better int, mean float8, sd float8, log_scale boolean, low float8, high float8);
INSERT INTO indicator VALUES
    ('positive',            1,   0.40,  0.20, false, 0.02, 0.90),
    ('negative',           -1,   0.20,  0.15, false, 0.02, 0.90),
    ('sentiment_confidence', 0,  0.80,  0.12, false, 0.30, 0.99),
    ('mood_words',         -1,   1.25,  0.50, true,  0,    6),
    ('clarity',             1,   0.75,  0.15, false, 0.05, 1),
    ('coherence',           1,   0.75,  0.15, false, 0.05, 1),
    ('cognitive_load',     -1,   0.40,  0.18, false, 0,    1),
    ('focus_words',         1,   1.10,  0.50, true,  0,    5),
    ('text_score',          1,   70,    15,   false, 2,    98),
    ('pitch_mean',          0,   165,   49,   false, 75,   300),
    ('pitch_variance',      1,   6.5,   0.8,  true,  20,   6000),
    ('speaking_rate',       1,   154,   30,   false, 60,   260),
    ('volume',              1,   60,    6,    false, 35,   85),
    ('breath_frequency',   -1,   15,    3,    false, 6,    30),
    ('breath_regularity',   1,   0.75,  0.15, false, 0.05, 1),
    ('rhythm',              1,   0.70,  0.15, false, 0.05, 1),
    ('pauses',             -1,   2.6,   0.45, true,  1,    60),
    ('pause_length',       -1,   0.47,  0.16, true,  0.1,  3),
    ('audio_score',         1,   70,    15,   false, 2,    98),
    ('happiness',           1,   0.55,  0.20, false, 0.05, 0.98),
    ('happiness_seconds',   1,   2.3,   0.8,  true,  0.2,  90),
    ('sadness',            -1,   0.35,  0.18, false, 0.02, 0.95),
    ('sadness_seconds',    -1,   1.4,   0.8,  true,  0.1,  60),
    ('face_changes',        1,   1.8,   0.6,  true,  0,    20),
    ('expressiveness',      1,   0.50,  0.18, false, 0.02, 1),
    ('visual_score',        1,   70,    15,   false, 2,    98),
    ('sleep_hours',         1,   7.2,   1.1,  false, 2,    12),
    ('sleep_efficiency',    1,   0.86,  0.07, false, 0.4,  0.99),
    ('sleep_latency',      -1,   2.77,  0.70, true,  1,    180),
    ('awake_minutes',      -1,   3.43,  0.72, true,  1,    240),
    ('steps',               1,   5931,  3664, false, 300,  25000),
    ('active_minutes',      1,   3.2,   0.9,  true,  0,    300),
    ('sedentary_minutes',  -1,   462,   110,  false, 120,  960),
    ('heart_rate',         -1,   72,    11,   false, 42,   110),
    ('heart_variability',   1,   3.7,   0.5,  true,  8,    200),
    ('screen_minutes',     -1,   5.4,   0.6,  true,  20,   900),
    ('unlocks',            -1,   4.1,   0.6,  true,  5,    400),
    ('night_minutes',      -1,   2.4,   1.0,  true,  0,    240),
    ('passive_score',       1,   70,    15,   false, 2,    98);

-- People differ from one another (0.8 sd) more than from day to day (0.45 sd).
CREATE TEMP TABLE reading AS
SELECT session.session_id, session.user_id, session.assessment_type, session.held_at,
    jsonb_object_agg(indicator.name, round(least(high, greatest(low,
        CASE WHEN log_scale THEN exp(scaled.x) - 1 ELSE scaled.x END))::numeric, 3)) AS value
FROM session
CROSS JOIN indicator
CROSS JOIN LATERAL (
    SELECT mean + sd * (
        0.8 * pg_temp.normal(format('usual %s %s', person, name))
        + 0.45 * (better * wellbeing + 0.85 * pg_temp.normal(format('%s %s %s', name, person, day)))) AS x
) AS scaled
GROUP BY session.session_id, session.user_id, session.assessment_type, session.held_at;

INSERT INTO text_analysis (session_id, combined_text, sentiment_analysis, cognitive_markers, text_wellness_score, processed_at)
SELECT session_id, '(simulated)',
    jsonb_build_object(
        'overall_sentiment', CASE WHEN positive > negative + 0.1 THEN 'positive' WHEN negative > positive + 0.1 THEN 'negative' ELSE 'neutral' END,
        'confidence', value -> 'sentiment_confidence',
        'emotional_tone', 'simulated',
        'mood_indicators', to_jsonb((ARRAY['tired', 'tense', 'low', 'worried', 'restless', 'lonely'])[1:round((value ->> 'mood_words')::numeric)::int]),
        'sentiment_scores', jsonb_build_object(
            'positive', positive, 'negative', negative, 'neutral', greatest(0, 1 - positive - negative))),
    jsonb_build_object(
        'clarity_score', value -> 'clarity',
        'coherence_score', value -> 'coherence',
        'thought_patterns', '[]'::jsonb,
        'cognitive_load', value -> 'cognitive_load',
        'focus_indicators', to_jsonb((ARRAY['on topic', 'detail', 'sequence', 'plan', 'recall'])[1:round((value ->> 'focus_words')::numeric)::int]),
        'decision_making_patterns', '[]'::jsonb),
    (value ->> 'text_score')::numeric, held_at + interval '2 minutes'
FROM reading
CROSS JOIN LATERAL (SELECT (value ->> 'positive')::numeric AS positive, (value ->> 'negative')::numeric AS negative) AS s;

INSERT INTO audio_analysis (session_id, transcription, vocal_characteristics, prosodic_features, audio_wellness_score, processed_at)
SELECT session_id, '(simulated)',
    jsonb_build_object(
        'pitch_mean', value -> 'pitch_mean',
        'pitch_variance', value -> 'pitch_variance',
        'speaking_rate', value -> 'speaking_rate',
        'volume_mean', value -> 'volume',
        'voice_quality', 'modal',
        'breath_patterns', jsonb_build_object('frequency', value -> 'breath_frequency', 'regularity', value -> 'breath_regularity')),
    jsonb_build_object(
        'rhythm_stability', value -> 'rhythm',
        'stress_patterns', '[]'::jsonb,
        'intonation_patterns', '[]'::jsonb,
        'pause_patterns', jsonb_build_object('frequency', value -> 'pauses', 'duration_mean', value -> 'pause_length', 'placement', '[]'::jsonb)),
    (value ->> 'audio_score')::numeric, held_at + interval '3 minutes'
FROM reading
-- Some recordings fail, as they do.
WHERE assessment_type IN ('full', 'voice-only') AND pg_temp.uniform('audio ' || session_id) < 0.92;

INSERT INTO visual_analysis (session_id, facial_expressions, visual_wellness_score, processed_at)
SELECT session_id,
    jsonb_build_object(
        'primary_emotions', jsonb_build_array(
            jsonb_build_object('emotion', 'happiness', 'confidence', value -> 'happiness', 'duration', value -> 'happiness_seconds'),
            jsonb_build_object('emotion', 'sadness', 'confidence', value -> 'sadness', 'duration', value -> 'sadness_seconds')),
        'expression_changes', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('timestamp', 3 * change, 'from_emotion', 'neutral', 'to_emotion', 'happiness') ORDER BY change), '[]')
            FROM generate_series(1, round((value ->> 'face_changes')::numeric)::int) AS change),
        'overall_expressiveness', value -> 'expressiveness'),
    (value ->> 'visual_score')::numeric, held_at + interval '4 minutes'
FROM reading
WHERE assessment_type = 'full' AND pg_temp.uniform('visual ' || session_id) < 0.75;

INSERT INTO passive_analysis (session_id, sleep_metrics, activity_metrics, device_usage, passive_wellness_score, processed_at)
SELECT session_id,
    jsonb_build_object(
        'duration_hours', value -> 'sleep_hours', 'efficiency', value -> 'sleep_efficiency',
        'latency_minutes', value -> 'sleep_latency', 'awake_minutes', value -> 'awake_minutes'),
    jsonb_build_object(
        'steps', round((value ->> 'steps')::numeric), 'active_minutes', value -> 'active_minutes',
        'sedentary_minutes', value -> 'sedentary_minutes', 'resting_heart_rate', value -> 'heart_rate',
        'heart_rate_variability', value -> 'heart_variability'),
    jsonb_build_object(
        'screen_minutes', value -> 'screen_minutes', 'unlock_count', round((value ->> 'unlocks')::numeric),
        'night_screen_minutes', value -> 'night_minutes'),
    (value ->> 'passive_score')::numeric, held_at + interval '5 minutes'
FROM reading
WHERE pg_temp.uniform('passive ' || session_id) < 0.85;

COMMIT;
ANALYZE;
