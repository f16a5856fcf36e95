-- 1,000 sessions of 40 people, each with every document of tests/fixtures, not yet scored.
\ir ../../tests/sql/lib/speaking.psql
\ir ../../tests/sql/lib/documents.psql
CREATE FUNCTION pg_temp.session(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT format('5e551000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO assessment_sessions (id, user_id, created_at, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes)
SELECT pg_temp.session(n), format('a11ce000-0000-4000-8000-%s', lpad((n % 40)::text, 12, '0'))::uuid, '2025-01-01'::timestamptz + n * interval '1 hour',
       spec.document('mood'), spec.document('mood'), spec.document('text_data'), spec.document('audio_data'), spec.document('visual_data'), repeat('A quiet day. ', 20)
FROM generate_series(1, 1000) AS n;
INSERT INTO text_analysis (session_id, combined_text, sentiment_analysis, cognitive_markers, linguistic_patterns, text_wellness_score)
SELECT pg_temp.session(n), repeat('A quiet day. ', 100), spec.document('sentiment_analysis'), spec.document('cognitive_markers'), spec.document('linguistic_patterns'), 50 FROM generate_series(1, 1000) AS n;
INSERT INTO audio_analysis (session_id, transcription, vocal_characteristics, prosodic_features, emotional_markers, audio_wellness_score)
SELECT pg_temp.session(n), repeat('A quiet day. ', 100), spec.document('vocal_characteristics'), spec.document('prosodic_features'), spec.document('emotional_markers'), 50 FROM generate_series(1, 1000) AS n;
INSERT INTO visual_analysis (session_id, facial_expressions, micro_expressions, emotional_indicators, visual_wellness_score)
SELECT pg_temp.session(n), spec.document('facial_expressions'), spec.document('micro_expressions'), spec.document('emotional_indicators'), 50 FROM generate_series(1, 1000) AS n;
INSERT INTO passive_analysis (session_id, sleep_metrics, activity_metrics, device_usage, passive_wellness_score)
SELECT pg_temp.session(n), spec.document('sleep_metrics'), spec.document('activity_metrics'), spec.document('device_usage'), 50 FROM generate_series(1, 1000) AS n;
ANALYZE;
