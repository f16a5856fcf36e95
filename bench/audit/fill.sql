-- 100 people, each with 30 scored sessions: what a score has to read and to learn is there.
SET client_min_messages = warning;
CREATE TABLE person AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, 100) AS n;
INSERT INTO auth.users (id, email) SELECT id, n || '@example.org' FROM person;
INSERT INTO assessment_sessions (user_id, assessment_type, created_at, updated_at, mood_before)
SELECT p.id, 'quick', now() - interval '1 day' * d, now(),
       '{"emotional_state": {"primary": "tired", "intensity": 6}, "energy_level": 3, "stress_level": 8, "physical_comfort": 5, "social_connection": 4, "timestamp": "2026-01-05T20:00:00Z"}'
FROM person AS p, generate_series(1, 30) AS d;
INSERT INTO text_analysis (session_id, text_wellness_score, sentiment_analysis)
SELECT id, 20 + 60 * random(), '{"overall_sentiment": "negative", "confidence": 0.86, "emotional_tone": "weary", "mood_indicators": ["fatigue", "worry"], "sentiment_scores": {"positive": 0.08, "negative": 0.71, "neutral": 0.21}}'
FROM assessment_sessions;
SELECT count(f.score) FROM (SELECT id FROM assessment_sessions ORDER BY created_at) AS s CROSS JOIN LATERAL mm_fuse_session(s.id) AS f;
-- The seed's table, word for word.
CREATE SCHEMA seed;
CREATE TABLE seed.assessment_sessions (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, user_id UUID NOT NULL, created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now());
CREATE TABLE seed.text_analysis (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES seed.assessment_sessions (id) ON DELETE CASCADE,
    combined_text TEXT, sentiment_analysis JSONB, cognitive_markers JSONB, linguistic_patterns JSONB,
    text_wellness_score NUMERIC, processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now());
CREATE INDEX ON seed.text_analysis (session_id);
CREATE INDEX ON seed.text_analysis (text_wellness_score);
CREATE INDEX ON seed.text_analysis (processed_at);
INSERT INTO seed.assessment_sessions (id, user_id, created_at) SELECT id, user_id, created_at FROM assessment_sessions;
VACUUM ANALYZE;
