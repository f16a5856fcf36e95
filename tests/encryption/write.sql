-- What an application sends, every value a parameter: the marker in every encrypted column.
BEGIN;
SET LOCAL ROLE mindmeasure_user;
SELECT set_config('request.jwt.claim.sub', :person, true);
INSERT INTO assessment_sessions (id, user_id, mood_before, text_data, audio_data, visual_data, reflection_notes)
VALUES (:session, :person,
    jsonb_build_object('emotional_state', jsonb_build_object('primary', :marker::text, 'intensity', 5), 'energy_level', 5, 'stress_level', 5,
        'physical_comfort', 5, 'social_connection', 5, 'timestamp', '2026-01-05T20:00:00Z'),
    jsonb_build_object('processing_metadata', jsonb_build_object('source', 'manual', 'quality_score', 1), 'x', :marker::text),
    jsonb_build_object('x', :marker::text), jsonb_build_object('x', :marker::text), :marker::text);
UPDATE assessment_sessions SET mood_after = (SELECT c.mood_before FROM assessment_sessions_clear AS c WHERE c.id = :session) WHERE id = :session;
UPDATE assessment_sessions SET reflection_notes = concat('again ', :marker::text) WHERE id = :session;
COMMIT;
BEGIN;
SET LOCAL ROLE mindmeasure_system;
-- So large that it is stored out of line.
INSERT INTO text_analysis (session_id, combined_text, sentiment_analysis, cognitive_markers, linguistic_patterns)
VALUES (:session, repeat(concat(:marker::text, ' ', md5(random()::text), ' '), 5000), :sentiment::jsonb || jsonb_build_object('emotional_tone', :marker::text), NULL, NULL);
INSERT INTO audio_analysis (session_id, transcription) VALUES (:session, :marker::text);
INSERT INTO passive_analysis (session_id, sleep_metrics) VALUES (:session, jsonb_build_object('duration_hours', 7, 'x', :marker::text));
INSERT INTO session_insights (session_id, key_concerns, conversation_summary, notable_changes)
VALUES (:session, jsonb_build_array(jsonb_build_object('concern', :marker::text, 'category', 'work', 'severity', 'low', 'mentioned_count', 1, 'first_mentioned', '2026', 'context', :marker::text)), :marker::text, :marker::text);
COMMIT;
