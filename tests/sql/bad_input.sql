-- Bad input is refused with its SQLSTATE, a message that names the field or path, and a hint;
-- nothing is stored, and what somebody wrote never appears in what the server says about it.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
INSERT INTO assessment_sessions (id, user_id) VALUES ('00000000-0000-4000-8000-000000000001', spec.alice());
CREATE FUNCTION spec.marker() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'zqmarker7' $$;
-- A valid document, one place of it replaced, and the marker in it as a value and as a key.
CREATE FUNCTION spec.bad(name text, path text[], value jsonb) RETURNS text LANGUAGE sql
    AS $$ SELECT jsonb_set(spec.document(bad.name), bad.path, bad.value)::text $$;
CREATE FUNCTION spec.marked(document text) RETURNS text LANGUAGE sql
    AS $$
    SELECT CASE jsonb_typeof(document::jsonb)
        WHEN 'object' THEN (document::jsonb || jsonb_build_object('note ' || spec.marker(), spec.marker()))::text
        ELSE document END
    $$;

-- $1 in a statement is value: as a parameter, as applications send it.
CREATE TABLE spec.cases (name text, speaker text, person uuid, statement text, value text, state text, message text);
CREATE TABLE spec.counts_before (counts text);

-- sessions that cannot be scored -----------------------------------------------------------
INSERT INTO spec.cases VALUES
    ('unknown session, the system', 'spec_worker', NULL, 'SELECT mm_fuse_session($1::uuid)', 'deadbeef-0000-4000-8000-000000000000', 'P0002', '^session_id: '),
    ('unknown session, a user', 'spec_app', spec.alice(), 'SELECT mm_fuse_session($1::uuid)', 'deadbeef-0000-4000-8000-000000000000', 'P0002', '^session_id: '),
    ('somebody else''s session', 'spec_app', spec.bob(), 'SELECT mm_fuse_session($1::uuid)', '00000000-0000-4000-8000-000000000001', 'P0002', '^session_id: '),
    ('no analysis, the system', 'spec_worker', NULL, 'SELECT mm_fuse_session($1::uuid)', '00000000-0000-4000-8000-000000000001', 'MM001', '^session_id: .*no analysis'),
    ('no analysis, a user', 'spec_app', spec.alice(), 'SELECT mm_fuse_session($1::uuid)', '00000000-0000-4000-8000-000000000001', 'MM001', '^session_id: .*no analysis'),
    ('no analysis, refreshed', 'spec_worker', NULL, 'SELECT mm_fuse_session($1::uuid, refresh => true)', '00000000-0000-4000-8000-000000000001', 'MM001', '^session_id: .*no analysis'),
    ('archived session, the system', 'spec_worker', NULL, 'SELECT mm_fuse_session($1::uuid)', spec.session(spec.alice(), 5)::text, 'MM002', '^session_id: .*archived'),
    ('archived session, its person', 'spec_app', spec.alice(), 'SELECT mm_fuse_session($1::uuid)', spec.session(spec.alice(), 5)::text, 'MM002', '^session_id: .*archived'),
    ('archived session, another user', 'spec_app', spec.bob(), 'SELECT mm_fuse_session($1::uuid)', spec.session(spec.alice(), 5)::text, 'P0002', '^session_id: '),
    ('outcome of an unknown session', 'spec_worker', NULL, 'SELECT mm_record_outcome($1::uuid, true)', 'deadbeef-0000-4000-8000-000000000000', 'P0002', '^session_id: '),
    ('outcome of somebody else''s session', 'spec_app', spec.bob(), 'SELECT mm_record_outcome($1::uuid, true)', '00000000-0000-4000-8000-000000000001', 'P0002', '^session_id: '),
    ('outcome without a source', 'spec_worker', NULL, 'SELECT mm_record_outcome($1::uuid, true, '''')', '00000000-0000-4000-8000-000000000001', '22023', '^source: '),
    ('outcome with an endless source', 'spec_worker', NULL, 'SELECT mm_record_outcome(''00000000-0000-4000-8000-000000000001'', true, $1)', repeat('zqmarker7 ', 11), '22023', '^source: ');

-- NULL arguments ---------------------------------------------------------------------------
INSERT INTO spec.cases
SELECT 'NULL: ' || c.call, 'spec_worker', NULL, 'SELECT ' || c.call, NULL, c.state, c.message
FROM (VALUES
    ('mm_fuse_session(NULL)', '22004', '^session_id: '),
    ('mm_fuse_session(''00000000-0000-4000-8000-000000000001'', NULL)', '22004', '^refresh: '),
    ('mm_record_outcome(NULL, true)', '22004', '^session_id: '),
    ('mm_record_outcome(''00000000-0000-4000-8000-000000000001'', NULL)', '22004', '^worse: '),
    ('mm_record_outcome(''00000000-0000-4000-8000-000000000001'', true, NULL)', '22004', '^source: '),
    ('mm_update_baselines(NULL)', '22004', '^user_id: '),
    ('mm_rescore_user(NULL)', '22004', '^user_id: '),
    ('mm_register_model(NULL)', '22004', '^spec: '),
    ('mm_activate_model(NULL)', '22004', '^version: '),
    ('mm_fuse_pending(NULL)', '22023', '^max_sessions: '),
    ('mm_fuse_pending(0)', '22023', '^max_sessions: '),
    ('mm_fuse_pending(-1)', '22023', '^max_sessions: ')) AS c (call, state, message);

-- numbers ----------------------------------------------------------------------------------
INSERT INTO spec.cases
SELECT format('%s %s', t.name, v.value), 'spec_worker', NULL, format('INSERT INTO %s_analysis (session_id, %1$s_wellness_score) VALUES (''00000000-0000-4000-8000-000000000001'', $1::numeric)', t.name),
    v.value, '23514', format('^%s_wellness_score: must be a number from 0 to 100$', t.name)
FROM unnest('{text,audio,visual,passive}'::text[]) AS t (name), unnest('{NaN,Infinity,-Infinity,101,-1,100.0001}'::text[]) AS v (value);
INSERT INTO spec.cases
SELECT format('%s: %s %s', c.relation, c.name, v.value), 'spec_worker', NULL, format('UPDATE %s SET %I = $1::%s', c.relation, c.name, c.type), v.value, '23514', format('^%s: must be ', c.name)
FROM (VALUES
    ('fusion_outputs', 'p_worse_fused', 'float8', '{NaN,Infinity,-Infinity,-1,1.0001}'),
    ('fusion_outputs', 'p_worse_text', 'float8', '{NaN,-1,2}'),
    ('fusion_outputs', 'p_worse_audio', 'float8', '{NaN,-1,2}'),
    ('fusion_outputs', 'p_worse_visual', 'float8', '{NaN,-1,2}'),
    ('fusion_outputs', 'p_worse_passive', 'float8', '{NaN,-1,2}'),
    ('fusion_outputs', 'score', 'int', '{101,-1}'),
    ('fusion_outputs', 'score_smoothed', 'float8', '{NaN,Infinity,101,-1}'),
    ('fusion_outputs', 'uncertainty', 'float8', '{NaN,Infinity,-1,2}'),
    ('fusion_outputs', 'smoothed_variance', 'float8', '{NaN,Infinity,-1}'),
    ('mind_measure_scores', 'combined_score', 'float8', '{NaN,Infinity,101,-1}'),
    ('mind_measure_scores', 'baseline_deviation', 'float8', '{NaN,Infinity,-Infinity}'),
    ('user_baselines', 'baseline_score', 'numeric', '{NaN,Infinity,101,-1}'),
    ('user_baselines', 'confidence_level', 'numeric', '{NaN,-1,2}'),
    ('user_baselines', 'sample_count', 'int', '{-1}'),
    ('user_baselines', 'mean', 'float8', '{NaN,Infinity,-1}'),
    ('user_baselines', 'm2', 'float8', '{NaN,Infinity,-1}'),
    ('user_feature_baselines', 'mean', 'float8', '{NaN,Infinity,-Infinity}'),
    ('user_feature_baselines', 'sd', 'float8', '{NaN,Infinity,-1}'),
    ('user_feature_baselines', 'n', 'float8', '{NaN,Infinity,-1}'),
    ('user_feature_baselines', 'm2', 'float8', '{NaN,Infinity,-1}'),
    ('user_calibration', 'a', 'float8', '{NaN,Infinity,-Infinity}'),
    ('user_calibration', 'b', 'float8', '{NaN,Infinity,-Infinity}'),
    ('user_calibration', 'own_logit', 'float8', '{NaN,Infinity,-Infinity}'),
    ('user_calibration', 'n_points', 'int', '{-1}'),
    ('user_calibration', 'covariance', 'float8[]', '{"{1,0}","{NaN,0,1}","{1,NaN,1}","{1,0,-1}","{1,2,1}","{1,NULL,1}","{Infinity,0,1}"}')) AS c (relation, name, type, given)
CROSS JOIN unnest(c.given::text[]) AS v (value);
INSERT INTO spec.cases
SELECT 'a user''s feature baseline: ' || v.value, 'spec_app', spec.alice(), 'UPDATE user_feature_baselines SET sd = $1::float8', v.value, '23514', '^sd: must be ' FROM unnest('{NaN,Infinity,-1}'::text[]) AS v (value);
INSERT INTO spec.cases
SELECT 'a session at ' || v.value, 'spec_worker', NULL, 'INSERT INTO assessment_sessions (user_id, created_at) VALUES (spec.alice(), $1::timestamptz)', v.value, '23514', '^created_at: must be '
FROM unnest('{infinity,-infinity,0001-01-01,9999-01-01}'::text[]) AS v (value);

-- unknown words ----------------------------------------------------------------------------
INSERT INTO spec.cases VALUES
    ('unknown status', 'spec_app', spec.alice(), 'INSERT INTO assessment_sessions (status) VALUES ($1)', 'zqmarker7', '23514', '^status: is not one of pending, processing, completed, failed$'),
    ('unknown assessment_type', 'spec_app', spec.alice(), 'INSERT INTO assessment_sessions (assessment_type) VALUES ($1)', 'zqmarker7', '23514', '^assessment_type: is not one of full, quick, voice-only$'),
    ('unknown metric_type', 'spec_worker', NULL, 'INSERT INTO user_baselines (user_id, metric_type, baseline_score) VALUES (spec.alice(), $1, 1)', 'zqmarker7', '23514', '^metric_type: must be one of '),
    ('unknown modality', 'spec_worker', NULL, 'INSERT INTO user_calibration (user_id, modality, a, b, covariance) VALUES (spec.alice(), $1, 1, 0, ''{1,0,1}'')', 'zqmarker7', '23514', '^modality: must be one of '),
    ('unknown qc_overall', 'spec_worker', NULL, 'UPDATE fusion_outputs SET qc_overall = $1', 'zqmarker7', '23514', '^qc_overall: must be one of reliable, low, insufficient'),
    ('a long display_name', 'spec_app', spec.alice(), 'UPDATE profiles SET display_name = $1', repeat('zqmarker7 ', 21), '23514', '^display_name: must be at most 200 characters'),
    ('a long avatar_url', 'spec_app', spec.alice(), 'UPDATE profiles SET avatar_url = $1', repeat('zqmarker7 ', 300), '23514', '^avatar_url: must be '),
    ('a long category', 'spec_app', spec.alice(), 'INSERT INTO assessment_sessions (category) VALUES ($1)', repeat('zqmarker7 ', 30), '23514', '^category: must be '),
    ('endless reflection_notes', 'spec_app', spec.alice(), 'INSERT INTO assessment_sessions (reflection_notes) VALUES ($1)', repeat('zqmarker7 ', 20000), '23514', '^reflection_notes: must be '),
    ('an endless combined_text', 'spec_worker', NULL, 'INSERT INTO text_analysis (session_id, combined_text) VALUES (''00000000-0000-4000-8000-000000000001'', $1)', repeat('zqmarker7 ', 200000), '23514', '^combined_text: must be '),
    ('an endless transcription', 'spec_worker', NULL, 'INSERT INTO audio_analysis (session_id, transcription) VALUES (''00000000-0000-4000-8000-000000000001'', $1)', repeat('zqmarker7 ', 200000), '23514', '^transcription: must be '),
    ('an empty feature_name', 'spec_app', spec.alice(), 'INSERT INTO user_feature_baselines (user_id, feature_name, mean) VALUES (spec.alice(), $1, 1)', '', '23514', '^feature_name: must be ');

-- persons ----------------------------------------------------------------------------------
INSERT INTO spec.cases VALUES
    ('a session of nobody', 'spec_worker', NULL, 'INSERT INTO assessment_sessions (reflection_notes) VALUES ($1)', 'zqmarker7', '23502', '^user_id: '),
    ('an analysis of another person', 'spec_worker', NULL, 'INSERT INTO text_analysis (session_id, user_id, combined_text) VALUES (''00000000-0000-4000-8000-000000000001'', spec.bob(), $1)', 'zqmarker7', '23503', '^user_id: '),
    ('an analysis of no session', 'spec_worker', NULL, 'INSERT INTO text_analysis (session_id, combined_text) VALUES (gen_random_uuid(), $1)', 'zqmarker7', '23503', '^session_id: '),
    ('a score for another person', 'spec_worker', NULL, 'INSERT INTO fusion_outputs (session_id, user_id, p_worse_fused, score, score_smoothed, uncertainty, model_version) VALUES (''00000000-0000-4000-8000-000000000001'', spec.bob(), 0.5, 50, 50, 0.5, $1)', 'zqmarker7', '23503', '^user_id: '),
    ('an id that is taken', 'spec_app', spec.bob(), 'INSERT INTO assessment_sessions (id, reflection_notes) VALUES (''00000000-0000-4000-8000-000000000001'', $1)', 'zqmarker7', '23505', '^id: ');

-- documents --------------------------------------------------------------------------------
CREATE TABLE spec.bad_documents (name text, target text, schema text, document text, message text);
INSERT INTO spec.bad_documents VALUES
    ('intensity 11', 'mood_before', 'mood', spec.bad('mood', '{emotional_state,intensity}', '11'), '^mood_before\.emotional_state\.intensity: must be at most 10$'),
    ('intensity 0', 'mood_after', 'mood', spec.bad('mood', '{emotional_state,intensity}', '0'), '^mood_after\.emotional_state\.intensity: must be at least 1$'),
    ('intensity that is text', 'mood_before', 'mood', spec.bad('mood', '{emotional_state,intensity}', '"zqmarker7"'), '^mood_before\.emotional_state\.intensity: must be of type number$'),
    ('intensity 1e400', 'mood_before', 'mood', spec.bad('mood', '{emotional_state,intensity}', '1e400'), '^mood_before\.emotional_state\.intensity: '),
    ('notes that are a number', 'mood_before', 'mood', spec.bad('mood', '{notes}', '["zqmarker7"]'), '^mood_before\.notes: must be of type string$'),
    ('two failures', 'mood_before', 'mood', jsonb_set(spec.bad('mood', '{energy_level}', '11')::jsonb, '{stress_level}', '0')::text,
        '^mood_before\.(energy_level: must be at most 10; mood_before\.stress_level: must be at least 1|stress_level: must be at least 1; mood_before\.energy_level: must be at most 10)$'),
    ('a document that is a word', 'mood_before', 'mood', '"zqmarker7"', '^mood_before: must be of type object$'),
    ('a document that is JSON null', 'mood_before', 'mood', 'null', '^mood_before: must be of type object$'),
    ('unknown source', 'text_data', 'text_data', spec.bad('text_data', '{processing_metadata,source}', '"zqmarker7"'), '^text_data\.processing_metadata\.source: must be one of '),
    ('a transcript that is no text', 'text_data', 'text_data', spec.bad('text_data', '{transcripts,0}', '{"zqmarker7": "zqmarker7"}'), '^text_data\.transcripts\[0\]: must be of type string$'),
    ('audio_data that is a list', 'audio_data', 'audio_data', '["zqmarker7"]', '^audio_data: must be of type object$'),
    ('unknown goal category', 'wellness_goals', 'wellness_goals', spec.bad('wellness_goals', '{goals,0,category}', '"zqmarker7"'), '^wellness_goals.goals\[0\]\.category: must be one of '),
    ('unknown sentiment', 'sentiment_analysis', 'sentiment_analysis', spec.bad('sentiment_analysis', '{overall_sentiment}', '"zqmarker7"'), '^sentiment_analysis\.overall_sentiment: must be one of '),
    ('a score that is text', 'cognitive_markers', 'cognitive_markers', spec.bad('cognitive_markers', '{clarity_score}', '"zqmarker7"'), '^cognitive_markers\.clarity_score: must be of type number$'),
    ('a pitch that is text', 'vocal_characteristics', 'vocal_characteristics', spec.bad('vocal_characteristics', '{pitch_mean}', '"zqmarker7"'), '^vocal_characteristics\.pitch_mean: must be of type number$'),
    ('an emotion without confidence', 'facial_expressions', 'facial_expressions', (spec.document('facial_expressions') #- '{primary_emotions,0,confidence}')::text, '^facial_expressions\.primary_emotions\[0\]\.confidence: is missing$'),
    ('unknown severity', 'key_concerns', 'key_concerns', spec.bad('key_concerns', '{concerns,0,severity}', '"zqmarker7"'), '^key_concerns\.concerns\[0\]\.severity: must be one of '),
    ('unknown trend of a theme named by the person', 'emotional_themes', 'emotional_themes', spec.bad('emotional_themes', '{themes}', '{"zqmarker7": {"frequency": 1, "intensity": 1, "context": [], "trend": "zqmarker7"}}'),
        '^emotional_themes\.themes\.\*\.trend: must be one of '),
    ('a document of 64 MB', 'audio_data', 'audio_data', '64 MB', '^audio_data: is larger than mindmeasure\.max_document_bytes$'),
    ('a document 10000 deep', 'audio_data', 'audio_data', '{"zqmarker7": ' || repeat('[', 10000) || '"zqmarker7"' || repeat(']', 10000) || '}', '^audio_data: is nested deeper than 64 levels$'),
    ('objects 10000 deep', 'emotional_markers', 'emotional_markers', repeat('{"zqmarker7":', 10000) || '1' || repeat('}', 10000), '^emotional_markers: is nested deeper than 64 levels$'),
    ('a document 65 deep', 'visual_data', 'visual_data', '{"zqmarker7": ' || repeat('[', 64) || repeat(']', 64) || '}', '^visual_data: is nested deeper than 64 levels$');
UPDATE spec.bad_documents SET document = '{"zqmarker7": "' || repeat('zqmarker7 ', 6710886) || '"}' WHERE document = '64 MB';
INSERT INTO spec.cases
SELECT d.name, w.speaker, w.person,
    CASE WHEN w.speaker = 'spec_app' AND d.target = 'wellness_goals' THEN 'UPDATE profiles SET wellness_goals = $1::jsonb'
         WHEN w.speaker = 'spec_app' THEN format('INSERT INTO assessment_sessions (%I) VALUES ($1::jsonb)', d.target)
         ELSE format('INSERT INTO %s (session_id, %I) VALUES (''00000000-0000-4000-8000-000000000001'', $1::jsonb)', c.oid::regclass, d.target) END,
    CASE WHEN length(d.document) < 10000 AND d.document <> 'null' THEN spec.marked(d.document) ELSE d.document END, '23514', d.message
FROM spec.bad_documents AS d
JOIN pg_attribute AS a ON a.attname = d.target
JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
    AND c.relname IN ('profiles', 'assessment_sessions', 'text_analysis', 'audio_analysis', 'visual_analysis', 'session_insights')
CROSS JOIN LATERAL (SELECT CASE WHEN c.relname IN ('profiles', 'assessment_sessions') THEN 'spec_app' ELSE 'spec_worker' END AS speaker,
                           CASE WHEN c.relname IN ('profiles', 'assessment_sessions') THEN spec.alice() END AS person) AS w;

-- model specifications ---------------------------------------------------------------------
CREATE FUNCTION spec.model(path text[], value jsonb) RETURNS text LANGUAGE sql
    AS $$
    SELECT jsonb_set('{"model_version": "t1", "features": [
        {"name": "a", "modality": "text", "document": "linguistic_patterns", "path": "$.a", "weight": 0.5, "population_mean": 0, "population_sd": 1},
        {"name": "b", "modality": "audio", "document": "audio_wellness_score", "path": "$", "weight": -0.5, "population_mean": 50, "population_sd": 15}],
        "modalities": {"text": {"reliability": 1}}}', path, value)::text
    $$;
INSERT INTO spec.cases
SELECT 'model: ' || c.name, 'spec_worker', NULL, 'SELECT mm_register_model($1::jsonb)', spec.model(c.path::text[], c.value::jsonb), '22023', c.message
FROM (VALUES
    ('a path that is no JSONPath', '{features,0,path}', '"a.b["', '^spec\.features\[0\]\.path: '),
    ('a path into a number', '{features,1,path}', '"$.a"', '^spec\.features\[1\]\.path: '),
    ('a weight that is text', '{features,0,weight}', '"heavy"', '^spec\.features\[0\]\.weight: '),
    ('a weight out of bounds', '{features,0,weight}', '1e300', '^spec\.features\[0\]\.weight: '),
    ('a weight that no number holds', '{features,0,weight}', '1e400', '^spec\.features\[0\]\.weight: '),
    ('a weight that is null', '{features,0,weight}', 'null', '^spec\.features\[0\]\.weight: '),
    ('a population_sd of 0', '{features,0,population_sd}', '0', '^spec\.features\[0\]\.population_sd: '),
    ('a name used twice', '{features,1,name}', '"a"', '^spec\.features\[1\]\.name: '),
    ('an empty name', '{features,0,name}', '""', '^spec\.features\[0\]\.name: '),
    ('a reserved name', '{features,0,name}', '"other"', '^spec\.features\[0\]\.name: '),
    ('an unknown modality', '{features,0,modality}', '"smell"', '^spec\.features\[0\]\.modality: '),
    ('a document of another modality', '{features,0,document}', '"vocal_characteristics"', '^spec\.features\[0\]\.document: '),
    ('a document that is SQL', '{features,0,document}', '"linguistic_patterns, (SELECT 1)"', '^spec\.features\[0\]\.document: '),
    ('an unknown transform', '{features,0,transform}', '"sqrt"', '^spec\.features\[0\]\.transform: '),
    ('an unknown reduce', '{features,0,reduce}', '"max"', '^spec\.features\[0\]\.reduce: '),
    ('an unknown key of a feature', '{features,0,wieght}', '1', '^spec\.features\[0\]\.wieght: '),
    ('an unknown key of the specification', '{fusoin}', '{}', '^spec\.fusoin: '),
    ('an unknown key of fusion', '{fusion}', '{"rhoo": 1}', '^spec\.fusion\.rhoo: '),
    ('a rho out of bounds', '{fusion}', '{"rho": 2}', '^spec\.fusion\.rho: '),
    ('a reliability above 1', '{modalities,text,reliability}', '1.5', '^spec\.modalities\.text\.reliability: '),
    ('an unknown modality in modalities', '{modalities,smell}', '{}', '^spec\.modalities\.smell: '),
    ('no features', '{features}', '[]', '^spec\.features: '),
    ('features that are no list', '{features}', '"all"', '^spec\.features: '),
    ('no version', '{model_version}', 'null', '^spec\.model_version: ')) AS c (name, path, value, message);
INSERT INTO spec.cases VALUES
    ('model: a list', 'spec_worker', NULL, 'SELECT mm_register_model($1::jsonb)', '[]', '22023', '^spec'),
    ('model: 10000 deep', 'spec_worker', NULL, 'SELECT mm_register_model($1::jsonb)', repeat('[', 10000) || repeat(']', 10000), '22023', '^spec: must be nested at most'),
    ('model: 2 MB', 'spec_worker', NULL, 'SELECT mm_register_model($1::jsonb)', '{"model_version": "' || repeat('x', 2000000) || '"}', '22023', '^spec: must be no larger'),
    ('model: a version that is there', 'spec_worker', NULL, 'SELECT mm_register_model($1::jsonb)', spec.model('{model_version}', '"v1.0"'), '42710', '^spec\.model_version: '),
    ('activate an unknown model', 'spec_worker', NULL, 'SELECT mm_activate_model($1)', 'v0', '42704', '^version: '),
    ('an unknown JSON Schema', 'spec_worker', NULL, 'SELECT mm_json_schema($1)', 'mood_before', '42704', '^name: ');

-- then -------------------------------------------------------------------------------------
INSERT INTO spec.counts_before VALUES ('');
UPDATE spec.counts_before SET counts = spec.row_counts();
CREATE TABLE spec.answers AS
SELECT c.name, c.state AS expected_state, c.message AS expected_message, a.*
FROM spec.cases AS c CROSS JOIN LATERAL spec.attempt(c.statement, c.speaker, c.person, c.value) AS a;
SELECT ok(a.state IS NOT DISTINCT FROM a.expected_state AND a.message ~ a.expected_message AND a.hint <> '',
        format('%s: %s with the field and a hint', a.name, a.expected_state))
    || CASE WHEN a.state IS NOT DISTINCT FROM a.expected_state AND a.message ~ a.expected_message AND a.hint <> '' THEN ''
            ELSE E'\n' || diag(format('got %s «%s», hint «%s»; wanted %s «%s»', coalesce(a.state, a.rows || ' rows'), a.message, a.hint, a.expected_state, a.expected_message)) END
FROM spec.answers AS a;
SELECT is_empty(format($$ SELECT name, message, detail, hint, context FROM spec.answers
        WHERE concat_ws(' ', message, detail, hint, context) ILIKE '%%%s%%' $$, spec.marker()),
    'what was written never appears in message, detail, hint or context');
SELECT is((SELECT count(*) FROM spec.cases WHERE value ~ spec.marker()) > 30, true, 'given that it was written often enough to be seen');
DROP TABLE spec.answers;
SELECT is(spec.row_counts(), (SELECT counts FROM spec.counts_before), 'and nothing was stored anywhere');
SELECT * FROM finish();
ROLLBACK;
