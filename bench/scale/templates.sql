-- Invented people whose sessions are scored for real; everybody else in the benchmark is a copy of one
-- of them (copies.sql). Every number is a hash of its place: the data are the same in every run.
SET client_min_messages = warning;
CREATE SCHEMA bench;

-- 0 to 1, decided by its argument.
CREATE FUNCTION bench.chance(seed text) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('x' || substr(md5(seed), 1, 12))::bit(48)::bigint / 281474976710656.0::float8
$$;
CREATE FUNCTION bench.between(low float8, high float8, seed text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round((low + (high - low) * bench.chance(seed))::numeric, 4)
$$;
-- The id of the copy of something; copy 0 is the thing itself.
-- As text at both ends: with the operator for anything, which is not immutable, it would not be inlined.
CREATE FUNCTION bench.copy_id(id uuid, copy int) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE copy WHEN 0 THEN id ELSE md5(id::text || copy::text)::uuid END
$$;

CREATE FUNCTION bench.mood(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('emotional_state', jsonb_build_object('primary', 'calm', 'intensity', bench.between(1, 10, seed || ' intensity')),
        'energy_level', bench.between(1, 10, seed || ' energy'), 'stress_level', bench.between(1, 10, seed || ' stress'),
        'sleep_quality', bench.between(1, 10, seed || ' sleep'), 'physical_comfort', bench.between(1, 10, seed || ' comfort'),
        'social_connection', bench.between(1, 10, seed || ' social'), 'timestamp', '2025-01-01T00:00:00Z')
$$;
CREATE FUNCTION bench.text_data(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('user_input', 'Slept badly, long day at work, a walk in the evening helped.',
        'processing_metadata', jsonb_build_object('source', 'manual', 'quality_score', bench.between(0.7, 1, seed || ' quality'), 'language', 'en'))
$$;
CREATE FUNCTION bench.sentiment(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('overall_sentiment', 'neutral', 'confidence', bench.between(0.3, 1, seed || 'c'), 'emotional_tone', 'calm',
        'mood_indicators', to_jsonb((ARRAY['fatigue', 'worry', 'relief', 'hope'])[1:(5 * bench.chance(seed || 'm'))::int]),
        'sentiment_scores', jsonb_build_object('positive', bench.between(0, 1, seed || 'p'), 'negative', bench.between(0, 1, seed || 'n'), 'neutral', bench.between(0, 1, seed || 'u')))
$$;
CREATE FUNCTION bench.cognitive(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('clarity_score', bench.between(0, 1, seed || 'cl'), 'coherence_score', bench.between(0, 1, seed || 'co'), 'thought_patterns', '[]'::jsonb,
        'cognitive_load', bench.between(0, 1, seed || 'l'), 'focus_indicators', '["plans", "lists"]'::jsonb, 'decision_making_patterns', '[]'::jsonb)
$$;
CREATE FUNCTION bench.vocal(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('pitch_mean', bench.between(90, 260, seed || 'p'), 'pitch_variance', bench.between(50, 3000, seed || 'v'),
        'speaking_rate', bench.between(80, 220, seed || 'r'), 'volume_mean', bench.between(45, 75, seed || 'l'), 'voice_quality', 'clear',
        'breath_patterns', jsonb_build_object('frequency', bench.between(8, 24, seed || 'b'), 'regularity', bench.between(0.2, 1, seed || 'br')))
$$;
CREATE FUNCTION bench.prosodic(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('rhythm_stability', bench.between(0.2, 1, seed || 'rh'), 'stress_patterns', '[]'::jsonb, 'intonation_patterns', '[]'::jsonb,
        'pause_patterns', jsonb_build_object('frequency', bench.between(1, 40, seed || 'pf'), 'duration_mean', bench.between(0.1, 2, seed || 'pd'), 'placement', '[]'::jsonb))
$$;
CREATE FUNCTION bench.face(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('primary_emotions', jsonb_build_array(
            jsonb_build_object('emotion', 'happiness', 'confidence', bench.between(0, 1, seed || 'h'), 'duration', bench.between(0, 60, seed || 'hd')),
            jsonb_build_object('emotion', 'sadness', 'confidence', bench.between(0, 1, seed || 's'), 'duration', bench.between(0, 30, seed || 'sd')),
            jsonb_build_object('emotion', 'fear', 'confidence', bench.between(0, 1, seed || 'f'), 'duration', bench.between(0, 10, seed || 'fd'))),
        'expression_changes', jsonb_build_array(jsonb_build_object('timestamp', 1, 'from_emotion', 'neutral', 'to_emotion', 'happiness'),
            jsonb_build_object('timestamp', 2, 'from_emotion', 'happiness', 'to_emotion', 'sadness')),
        'overall_expressiveness', bench.between(0, 1, seed || 'e'))
$$;

-- Pending sessions with text, audio and visual analysed: what the main job is given.
CREATE FUNCTION bench.add_sessions(ids uuid[], people uuid[], times timestamptz[]) RETURNS void LANGUAGE sql AS $$
    WITH s AS MATERIALIZED (SELECT x.*, x.id::text AS seed FROM unnest(ids, people, times) AS x (id, person, at)),
    held AS (
        INSERT INTO assessment_sessions (id, user_id, mood_before, text_data, created_at, updated_at)
        SELECT id, person, bench.mood(seed), bench.text_data(seed), at, at FROM s ORDER BY at, id)
    SELECT;
    INSERT INTO text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score, processed_at)
    SELECT id, bench.sentiment(id || 't'), bench.cognitive(id || 't'), bench.between(5, 95, id || 'tw'), at FROM unnest(ids, times) AS x (id, at);
    INSERT INTO audio_analysis (session_id, vocal_characteristics, prosodic_features, audio_wellness_score, processed_at)
    SELECT id, bench.vocal(id || 'a'), bench.prosodic(id || 'a'), bench.between(5, 95, id || 'aw'), at FROM unnest(ids, times) AS x (id, at);
    INSERT INTO visual_analysis (session_id, facial_expressions, visual_wellness_score, processed_at)
    SELECT id, bench.face(id || 'v'), bench.between(5, 95, id || 'vw'), at FROM unnest(ids, times) AS x (id, at);
$$;

-- kind: how many sessions a person has in the last 24 months, up to yesterday. :people, where given: (kind, people), …
\if :{?people}
\else
\set people '(''10'', 5), (''100'', 20), (''1000'', 2)'
\endif
CREATE TABLE bench.template (user_id uuid PRIMARY KEY, kind text NOT NULL);
INSERT INTO bench.template
SELECT md5(format('%s %s', kind, n))::uuid, kind
FROM (VALUES :people) AS k (kind, people), generate_series(1, people) AS n;

SELECT bench.add_sessions(
    array_agg(md5(format('%s session %s', user_id, n))::uuid), array_agg(user_id),
    array_agg(date_trunc('day', now()) - interval '2 days' - interval '730 days' / kind::int * (kind::int - n) + bench.chance(format('%s at %s', user_id, n)) * interval '5 hours'))
FROM bench.template, generate_series(1, kind::int) AS n
\g /dev/null
ANALYZE;
SET ROLE mindmeasure_system;
SELECT mm_fuse_pending(1000000) AS "templates scored";
RESET ROLE;
ANALYZE;
