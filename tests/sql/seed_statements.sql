-- The document's own statements, typed in as they stand, by the people they are meant for.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql

-- rows as the document shapes them: its columns, and no others --------------------------
SELECT is(spec.say($$ INSERT INTO profiles (user_id, display_name, first_name, last_name, avatar_url, wellness_goals, assessment_frequency, onboarding_completed)
    VALUES (spec.alice(), 'Alice', 'Alice', 'A.', 'https://example.org/a.png', spec.document('wellness_goals'), 'daily', true)
    RETURNING (wellness_goals ? 'goals' AND created_at = now() AND updated_at = now() AND id IS NOT NULL)::text $$, 'spec_app', spec.alice()),
    'true', 'a user creates their own profile');
SELECT is(spec.say($$ INSERT INTO profiles (user_id) VALUES (spec.bob())
    RETURNING (wellness_goals, assessment_frequency, onboarding_completed)::text $$, 'spec_app', spec.bob()),
    '([],weekly,f)', 'a profile has the document''s defaults');
SELECT is(spec.say($$ INSERT INTO assessment_sessions (id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes)
    VALUES ('00000000-0000-4000-8000-000000000001', spec.alice(), 'pending', 'general', 'full', spec.document('mood'), spec.document('mood'),
        spec.document('text_data'), spec.document('audio_data'), spec.document('visual_data'), 'a note') RETURNING status $$, 'spec_app', spec.alice()),
    'pending', 'a user creates their own session');
SELECT is(spec.say($$ INSERT INTO assessment_sessions DEFAULT VALUES
    RETURNING (user_id = spec.alice(), status, category, assessment_type, mood_before, reflection_notes, created_at = now(), updated_at = now())::text $$, 'spec_app', spec.alice()),
    '(t,pending,general,full,,,t,t)', 'a session has the document''s defaults, and the person who speaks');
SELECT is(spec.act('INSERT INTO assessment_sessions (user_id) VALUES (spec.bob())', 'spec_app', spec.bob()), 1::bigint, 'Bob has a session too');
SELECT is(spec.act(i.statement, 'spec_worker'), 1::bigint, i.name)
FROM (VALUES
    ('the system stores a text analysis', $$ INSERT INTO text_analysis (session_id, combined_text, sentiment_analysis, cognitive_markers, linguistic_patterns, text_wellness_score)
        VALUES ('00000000-0000-4000-8000-000000000001', 'text', spec.document('sentiment_analysis'), spec.document('cognitive_markers'), spec.document('linguistic_patterns'), 71.5) $$),
    ('the system stores an audio analysis', $$ INSERT INTO audio_analysis (session_id, transcription, vocal_characteristics, prosodic_features, emotional_markers, audio_wellness_score)
        VALUES ('00000000-0000-4000-8000-000000000001', 'text', spec.document('vocal_characteristics'), spec.document('prosodic_features'), spec.document('emotional_markers'), 68) $$),
    ('the system stores a visual analysis', $$ INSERT INTO visual_analysis (session_id, facial_expressions, micro_expressions, emotional_indicators, visual_wellness_score)
        VALUES ('00000000-0000-4000-8000-000000000001', spec.document('facial_expressions'), spec.document('micro_expressions'), spec.document('emotional_indicators'), 74) $$),
    ('the system stores insights', $$ INSERT INTO session_insights (session_id, key_concerns, emotional_themes, conversation_summary, notable_changes, follow_up_topics)
        VALUES ('00000000-0000-4000-8000-000000000001', spec.document('key_concerns'), spec.document('emotional_themes'), 'summary', 'changes', spec.document('follow_up_topics')) $$),
    ('the system stores a score of its own', $$ INSERT INTO fusion_outputs (session_id, user_id, p_worse_fused, p_worse_audio, p_worse_visual, p_worse_text, p_worse_passive, score, score_smoothed, uncertainty, drivers)
        SELECT id, user_id, 0.4, 0.4, NULL, 0.4, NULL, 60, 61.2, 0.3, spec.document('drivers') FROM assessment_sessions WHERE user_id = spec.bob() $$),
    ('the system stores a baseline', $$ INSERT INTO user_baselines (user_id, metric_type, baseline_score) VALUES (spec.alice(), 'stress_levels', 40) $$),
    ('the system stores a feature baseline', $$ INSERT INTO user_feature_baselines (user_id, feature_name, mean, sd) VALUES (spec.bob(), 'audio.pitch_mean', 165, 20) $$),
    ('the main job scores what was stored', $$ SELECT * FROM mm_fuse_session('00000000-0000-4000-8000-000000000001') $$)) AS i (name, statement);
SELECT is((SELECT (confidence_level, sample_count)::text FROM user_baselines WHERE metric_type = 'stress_levels' AND user_id = spec.alice() AND sample_count = 0),
    NULL, 'scoring has taken the baseline over');
SELECT is((SELECT (qc_overall, model_version)::text FROM fusion_outputs WHERE user_id = spec.bob()), '(reliable,v1.0)', 'a score has the document''s defaults');

-- the dashboard query --------------------------------------------------------------------
PREPARE dashboard AS
SELECT s.*, ms.combined_score, ms.baseline_deviation
FROM assessment_sessions s
LEFT JOIN mind_measure_scores ms ON s.id = ms.session_id
WHERE s.user_id = $1
ORDER BY s.created_at DESC
LIMIT 10;

CREATE FUNCTION spec.explained(speaker text, person uuid, asked uuid) RETURNS SETOF text LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM set_config('request.jwt.claims', coalesce(json_build_object('sub', person)::text, ''), true), set_config('role', speaker, true);
    RETURN QUERY EXECUTE $dashboard$
EXPLAIN (ANALYZE, BUFFERS)
SELECT s.*, ms.combined_score, ms.baseline_deviation
FROM assessment_sessions s
LEFT JOIN mind_measure_scores ms ON s.id = ms.session_id
WHERE s.user_id = $1
ORDER BY s.created_at DESC
LIMIT 10;
$dashboard$ USING asked;
    PERFORM set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
END;
$$;

-- given Alice has two sessions, one of them scored, and Bob one
SELECT is(spec.outcome($$ EXECUTE dashboard('a11ce000-0000-4000-8000-000000000000') $$, 'spec_app', spec.alice()), '2', 'the dashboard shows Alice her sessions');
SELECT is(spec.outcome($$ EXECUTE dashboard('b0b00000-0000-4000-8000-000000000000') $$, 'spec_app', spec.alice()), '0', 'it does not show Alice those of Bob');
SELECT is(spec.outcome($$ EXECUTE dashboard('a11ce000-0000-4000-8000-000000000000') $$, 'spec_app'), '0', 'it shows nobody anything without claims');
SELECT is(spec.outcome($$ EXECUTE dashboard('a11ce000-0000-4000-8000-000000000000') $$, 'spec_anon'), 'refused', 'a role without grants is refused');
SELECT is(spec.outcome($$ EXECUTE dashboard('b0b00000-0000-4000-8000-000000000000') $$, 'spec_worker'), '1', 'the system sees everybody''s');
SELECT isnt(spec.say($$ SELECT max(ms.combined_score) FROM assessment_sessions s LEFT JOIN mind_measure_scores ms ON s.id = ms.session_id WHERE s.user_id = spec.alice() $$, 'spec_app', spec.alice()),
    NULL, 'the scored session carries its score');
SELECT matches((SELECT string_agg(line, ' ') FROM spec.explained('spec_app', spec.alice(), spec.alice()) AS line),
    '^Limit .*actual time=[0-9.]+ rows=2(\.00)? loops=1', 'its EXPLAIN (ANALYZE, BUFFERS) as the document has it finds two rows');
SELECT matches((SELECT string_agg(line, ' ') FROM spec.explained('spec_app', spec.alice(), spec.bob()) AS line),
    '^Limit .*actual time=[0-9.]+ rows=0(\.00)? loops=1', 'and none of Bob''s');
SELECT is_empty($$ SELECT line FROM spec.explained('spec_app', spec.alice(), spec.alice()) AS line WHERE line ~ '(Filter|Cond): .*uid\(\)' $$,
    'asking auth.uid() once, and not for every row');

-- the document's check constraints -------------------------------------------------------
SELECT is(spec.outcome(format('INSERT INTO assessment_sessions (user_id, status) VALUES (spec.alice(), %L)', status), 'spec_worker'), expected,
    format('status %s: %s', status, CASE expected WHEN '1' THEN 'accepted' ELSE 'refused' END))
FROM (VALUES ('pending', '1'), ('processing', '1'), ('completed', '1'), ('failed', '1'), ('done', '23514'), ('', '23514'), ('Pending', '23514'), (NULL, '23502')) AS c (status, expected);
SELECT is(spec.outcome(format('INSERT INTO assessment_sessions (user_id, assessment_type) VALUES (spec.alice(), %L)', type), 'spec_worker'), expected,
    format('assessment_type %s: %s', type, CASE expected WHEN '1' THEN 'accepted' ELSE 'refused' END))
FROM (VALUES ('full', '1'), ('quick', '1'), ('voice-only', '1'), (NULL, '1'), ('voice', '23514'), ('', '23514')) AS c (type, expected);
SELECT is(spec.outcome(format('UPDATE assessment_sessions SET %s WHERE user_id = spec.bob()', change), 'spec_worker'), '23514', 'an UPDATE cannot set ' || change)
FROM unnest(ARRAY['status = $$done$$', 'assessment_type = $$voice$$']) AS change;
-- The guard trigger answers first, with a hint; the constraints hold without it.
SET LOCAL session_replication_role = replica;
SELECT throws_matching($$ UPDATE assessment_sessions SET status = 'done' $$, 'new row for relation \"assessment_sessions\w*\" violates check constraint \"check_status_valid\"',
    'check_status_valid holds by itself');
SELECT throws_matching($$ UPDATE assessment_sessions SET assessment_type = 'voice' $$, 'new row for relation \"assessment_sessions\w*\" violates check constraint \"check_assessment_type_valid\"',
    'check_assessment_type_valid holds by itself');
RESET session_replication_role;

-- the document's unique indexes ----------------------------------------------------------
SELECT is(spec.outcome('INSERT INTO profiles (user_id) VALUES (spec.alice())', 'spec_worker'), '23505', 'one profile a person');
SELECT is(spec.outcome($$ INSERT INTO user_baselines (user_id, metric_type, baseline_score) VALUES (spec.alice(), 'stress_levels', 1) $$, 'spec_worker'), '23505', 'one baseline a person and metric');

-- the document's triggers ----------------------------------------------------------------
SELECT is(spec.say($$ UPDATE profiles SET updated_at = '2000-01-01' WHERE user_id = spec.alice() RETURNING (updated_at = now())::text $$, 'spec_app', spec.alice()), 'true',
    'updated_at of a profile is the time of its change');
SELECT is(spec.say($$ UPDATE assessment_sessions SET updated_at = '2000-01-01' WHERE user_id = spec.bob() RETURNING (updated_at = now())::text $$, 'spec_app', spec.bob()), 'true',
    'updated_at of a session is the time of its change');

SELECT * FROM finish();
ROLLBACK;
