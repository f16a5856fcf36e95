-- What the row itself refuses, whoever may write it: another time, another person, another id;
-- and what a user may not do to a session of their own.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
UPDATE assessment_sessions SET status = 'completed', mood_before = spec.document('mood') WHERE id = spec.session(spec.alice(), 2);

-- SQLSTATE and the fields that the message begins with.
CREATE FUNCTION spec.guarded(statement text, speaker text, person uuid, expected text, name text) RETURNS text LANGUAGE sql
    AS $$
    SELECT is(coalesce(a.state || ' ' || split_part(a.message, ':', 1) || CASE WHEN a.hint = '' THEN ', without a hint' ELSE '' END, a.rows || ' rows'), expected, name)
    FROM spec.attempt(statement, speaker, person) AS a
    $$;

-- when a user makes a session --------------------------------------------------------------
SELECT spec.guarded(format('INSERT INTO assessment_sessions (%s) VALUES (%s)', c.columns, c.given), 'spec_app', spec.alice(), c.expected, c.name)
FROM (VALUES
    ('created_at', '''2020-01-01''', '42501 created_at, updated_at', 'it cannot be dated back'),
    ('created_at', 'now() + interval ''1 day''', '42501 created_at, updated_at', 'nor ahead'),
    ('updated_at', '''2020-01-01''', '42501 created_at, updated_at', 'nor updated_at be forged'),
    ('created_at, updated_at', 'now(), now()', '1 rows', 'the present time may be written out'),
    ('status', '''completed''', '42501 status, failure_reason', 'it cannot be completed already'),
    ('failure_reason', '''x''', '42501 status, failure_reason', 'nor carry a failure_reason'),
    ('status', '''processing''', '1 rows', 'it may be processing'),
    ('id', 'spec.session(spec.alice(), 1)', '23505 id', 'it cannot take an id that exists'),
    ('id', 'spec.session(spec.bob(), 1)', '23505 id', 'nor one of somebody else''s session'),
    ('id', 'spec.session(spec.alice(), 5)', '23505 id', 'nor one of an archived session'),
    ('id', 'spec.session(spec.bob(), 5)', '23505 id', 'nor one of somebody else''s archived session'),
    ('id', 'spec.session(spec.alice(), 9)', '23505 id', 'nor one that existed once'),
    ('id', '''00000000-0000-4000-8000-000000000001''', '1 rows', 'it may bring an id of its own')) AS c (columns, given, expected, name);
SELECT spec.guarded('INSERT INTO assessment_sessions (id) VALUES (spec.session(spec.alice(), 1)) ON CONFLICT ON CONSTRAINT assessment_sessions_pkey DO UPDATE SET reflection_notes = ''x''', 'spec_app', spec.bob(),
    '23505 id', 'ON CONFLICT is no way around it');
SELECT spec.guarded('INSERT INTO assessment_sessions (user_id, created_at, updated_at, status) VALUES (spec.carol(), ''2020-01-01'', ''2020-01-01'', ''completed'')', 'spec_worker', NULL,
    '1 rows', 'the system imports the past');
SELECT spec.guarded('INSERT INTO assessment_sessions (id, user_id) VALUES (spec.session(spec.alice(), 5), spec.alice())', 'spec_worker', NULL, '23505 id', 'but an archived id stays taken for the system too');
SELECT spec.guarded(format('INSERT INTO profiles (user_id, %s) VALUES (spec.carol(), ''2020-01-01'')', c), 'spec_app', spec.carol(), '42501 created_at, updated_at', 'a profile''s ' || c || ' cannot be forged')
FROM unnest('{created_at,updated_at}'::text[]) AS c;

-- when a user changes a session ------------------------------------------------------------
SELECT spec.guarded(format('UPDATE assessment_sessions SET %s WHERE id = spec.session(spec.alice(), 1)', c.change), 'spec_app', spec.alice(), c.expected, 'a pending session: ' || c.change)
FROM (VALUES
    ('id = gen_random_uuid()', '23514 id, user_id, created_at'),
    ('created_at = ''2020-01-01''', '23514 id, user_id, created_at'),
    ('status = ''completed''', '42501 status, failure_reason'),
    ('failure_reason = ''x''', '42501 status, failure_reason'),
    ('status = ''processing''', '1 rows'),
    ('mood_before = spec.document(''mood''), category = ''x'', text_data = ''{}''', '1 rows')) AS c (change, expected);
SELECT is(spec.outcome('UPDATE assessment_sessions SET user_id = spec.bob() WHERE id = spec.session(spec.alice(), 1)', 'spec_app', spec.alice()), '23514', 'a session cannot be given to somebody else');
SELECT is(spec.outcome('UPDATE assessment_sessions SET user_id = spec.alice() WHERE id = spec.session(spec.bob(), 1)', 'spec_app', spec.alice()), '0', 'nor taken from them');

SELECT spec.guarded(format('UPDATE assessment_sessions SET %s WHERE id = spec.session(spec.alice(), 2)', c.change), 'spec_app', spec.alice(), c.expected, 'a completed session: ' || c.change)
FROM (VALUES
    ('status = ''pending''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('status = ''failed''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('category = ''x''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('category = NULL', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('assessment_type = ''quick''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('mood_before = NULL', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('text_data = ''{}''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('audio_data = ''{}''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('visual_data = ''{}''', '42501 status, category, assessment_type, mood_before, text_data, audio_data, visual_data'),
    ('failure_reason = ''x''', '42501 status, failure_reason'),
    ('mood_after = spec.document(''mood'')', '1 rows'),
    ('reflection_notes = ''x''', '1 rows'),
    ('status = ''completed'', mood_before = spec.document(''mood'')', '1 rows')) AS c (change, expected);
SELECT spec.guarded('UPDATE assessment_sessions SET status = ''pending'' WHERE id = spec.session(spec.alice(), 2)', 'spec_worker', NULL, '1 rows', 'the system re-opens a completed session');

-- updated_at: whatever the statement says, it is the time of the change
SELECT is(spec.say(format('UPDATE %s SET updated_at = ''2000-01-01'' RETURNING (updated_at = now())::text', t), 'spec_app', spec.alice()), 'true', t || '.updated_at cannot be forged by a change')
FROM unnest('{profiles,assessment_sessions}'::text[]) AS t;

-- identity is fixed for everybody, the system and a superuser too ---------------------------
CREATE TABLE spec.identities (relation text, columns text[]);
INSERT INTO spec.identities VALUES
    ('profiles', '{id,user_id,created_at}'),
    ('session_keys', '{id,user_id,created_at}'),
    ('assessment_sessions', '{id,user_id,created_at}'),
    ('text_analysis', '{id,session_id,user_id}'),
    ('audio_analysis', '{id,session_id,user_id}'),
    ('visual_analysis', '{id,session_id,user_id}'),
    ('passive_analysis', '{id,session_id,user_id}'),
    ('fusion_outputs', '{session_id,user_id,created_at,session_created_at}'),
    ('mind_measure_scores', '{id,session_id,user_id}'),
    ('session_insights', '{id,session_id,user_id,created_at}'),
    ('session_outcomes', '{session_id,user_id,session_created_at}'),
    ('user_baselines', '{id,user_id,metric_type,created_at}'),
    ('user_feature_baselines', '{id,user_id,feature_name,created_at}'),
    ('user_calibration', '{id,user_id,modality,created_at}');
SELECT spec.guarded(
    format('UPDATE %s SET %I = %s WHERE user_id = spec.bob()', i.relation, c.name,
        CASE WHEN c.name LIKE '%created_at' THEN '''1999-01-01''' WHEN c.name IN ('metric_type', 'feature_name') THEN '''stress_levels''' WHEN c.name = 'modality' THEN '''passive''' ELSE 'gen_random_uuid()' END),
    speaker, NULL, '23514 ' || array_to_string(i.columns, ', '), format('%s.%s is fixed, for %s too', i.relation, c.name, speaker))
FROM spec.identities AS i CROSS JOIN unnest(i.columns) AS c (name) CROSS JOIN unnest('{spec_worker,postgres}'::text[]) AS speaker;
SELECT is(spec.outcome('UPDATE mm_models SET spec = ''{}''', 'mindmeasure_owner'), '23514', 'a registered model is fixed for the owner too');

-- what belongs to a session belongs to its person -------------------------------------------
SELECT spec.guarded(format('INSERT INTO %s (session_id, user_id%s) VALUES (spec.session(spec.alice(), 9), spec.bob()%s)', t.relation, t.columns, t.given), 'spec_worker', NULL,
    '23503 user_id', t.relation || ': Alice''s session, Bob''s row: refused')
FROM (VALUES ('text_analysis', '', ''), ('audio_analysis', '', ''), ('visual_analysis', '', ''), ('passive_analysis', '', ''), ('session_insights', '', ''),
    ('session_outcomes', ', worse', ', true'), ('fusion_outputs', ', p_worse_fused, score, score_smoothed, uncertainty', ', 0.5, 50, 50, 0.5'), ('mind_measure_scores', ', combined_score', ', 50')) AS t (relation, columns, given);
SELECT spec.guarded(format('INSERT INTO %s (session_id) VALUES (gen_random_uuid())', t), 'spec_worker', NULL, '23503 session_id', t || ': a session that never was: refused')
FROM unnest('{text_analysis,audio_analysis,visual_analysis,passive_analysis,session_insights}'::text[]) AS t;
SELECT is(spec.say(format('INSERT INTO %s (session_id) VALUES (spec.session(spec.alice(), 9)) RETURNING user_id', t), 'spec_worker'), spec.alice()::text, t || '.user_id is filled from the session')
FROM unnest('{text_analysis,audio_analysis,visual_analysis,passive_analysis,session_insights}'::text[]) AS t;
-- The foreign key holds where no trigger looks: scoring's own writes.
SELECT is(spec.outcome('INSERT INTO fusion_outputs (session_id, user_id, session_created_at, p_worse_fused, score, score_smoothed, uncertainty) VALUES (spec.session(spec.alice(), 9), spec.bob(), now(), 0.5, 50, 50, 0.5)', 'mindmeasure_owner'),
    '23503', 'not even the owner puts a score on the wrong person');
SELECT is(spec.outcome('INSERT INTO assessment_sessions_archive (id, user_id, status, created_at, updated_at) VALUES (spec.session(spec.alice(), 9), spec.bob(), ''failed'', now(), now())', 'spec_worker'),
    '23503', 'nor an archived session');

SELECT * FROM finish();
ROLLBACK;
