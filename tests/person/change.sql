-- What happened to person 1 after the moment that is restored.
UPDATE profiles SET display_name = 'changed' WHERE user_id = '00000000-0000-4000-8000-000000000001';
UPDATE assessment_sessions SET reflection_notes = 'changed' WHERE user_id = '00000000-0000-4000-8000-000000000001';
UPDATE assessment_sessions_archive SET reflection_notes = 'changed' WHERE user_id = '00000000-0000-4000-8000-000000000001';
DELETE FROM session_keys WHERE user_id = '00000000-0000-4000-8000-000000000001' AND left(id::text, 8)::int % 10 = 0;
UPDATE text_analysis SET text_wellness_score = 1 WHERE user_id = '00000000-0000-4000-8000-000000000001' AND left(session_id::text, 8)::int % 3 = 0;
