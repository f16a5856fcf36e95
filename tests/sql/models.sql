-- A model is data: registered once, never changed, one of them active; a scored session keeps its
-- own until the person is rescored.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql
CREATE FUNCTION spec.model(version text, weight float8) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('model_version', version, 'features', jsonb_build_array(jsonb_build_object('name', 'text.negative', 'modality', 'text', 'document', 'sentiment_analysis',
        'path', '$.sentiment_scores.negative', 'weight', weight, 'population_mean', 0.2, 'population_sd', 0.15))) $$;
CREATE FUNCTION spec.active() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(model_version, ',') FROM public.mm_models WHERE is_active $$;

-- as installed
SELECT is((SELECT count(*) FROM mm_models), 1::bigint, 'one model is installed');
SELECT is(spec.active(), 'v1.0', 'v1.0, and it is active');

-- register
SELECT is(spec.say(format('SELECT mm_register_model(%L)', spec.model('v2', 1)), 'spec_worker'), 'v2', 'the system registers a model and is told its version');
SELECT is(spec.active(), 'v1.0', 'a registered model is not active by that');
SELECT is((SELECT (spec ->> 'model_version', created_at = now())::text FROM mm_models WHERE model_version = 'v2'), '(v2,t)', 'it is stored as it was given');
SELECT is(spec.error(format('SELECT mm_register_model(%L)', spec.model('v2', 2)), 'spec_worker'), '42710 spec.model_version: v2 is registered already', 'a version is registered once');
SELECT is(spec.outcome(format('SELECT mm_register_model(%L)', spec.model('v3', 1)), speaker, spec.alice()), 'refused', speaker || ' may not register')
FROM unnest('{spec_app,spec_anon,spec_auditor}'::text[]) AS speaker;

-- never changed
SELECT is(spec.outcome(statement, speaker), CASE speaker WHEN 'spec_worker' THEN 'refused' ELSE '23514' END, format('%s by %s is refused', statement, speaker))
FROM unnest(ARRAY['UPDATE mm_models SET spec = spec || ''{"drivers": {"top": 1}}'' WHERE model_version = ''v2''', 'UPDATE mm_models SET model_version = ''v9'' WHERE model_version = ''v2''',
    'UPDATE mm_models SET created_at = ''2020-01-01'' WHERE model_version = ''v2''']) AS statement, unnest('{spec_worker,mindmeasure_owner,postgres}'::text[]) AS speaker;
SELECT is(spec.outcome('DELETE FROM mm_models', 'spec_worker'), 'refused', 'nor may the system delete one');

-- one active
SELECT is(spec.outcome('SELECT mm_activate_model(''v2'')', speaker, spec.alice()), 'refused', speaker || ' may not activate') FROM unnest('{spec_app,spec_anon,spec_auditor}'::text[]) AS speaker;
SELECT is(spec.error('SELECT mm_activate_model(''v9'')', 'spec_worker'), '42704 version: there is no model v9', 'an unknown model cannot be activated');
SELECT is(spec.error('SELECT mm_activate_model('''')', 'spec_worker'), '42704 version: there is no model ', 'nor one without a name');
SELECT is(spec.active(), 'v1.0', 'and v1.0 stays active');
SELECT throws_ok($$ UPDATE mm_models SET is_active = true $$, '23505', NULL, 'two models cannot be active, whoever tries');

-- given Alice's session scored by v1.0
INSERT INTO assessment_sessions (id, user_id, assessment_type, created_at)
SELECT md5('session ' || n)::uuid, spec.alice(), 'quick', now() - make_interval(days => 10 - n) FROM generate_series(1, 3) AS n;
INSERT INTO text_analysis (session_id, sentiment_analysis)
SELECT md5('session ' || n)::uuid, jsonb_set(spec.document('sentiment_analysis'), '{sentiment_scores,negative}', '0.5') FROM generate_series(1, 3) AS n;
SELECT is(spec.say('SELECT model_version FROM mm_fuse_session(md5(''session 1'')::uuid)', 'spec_worker'), 'v1.0', 'given a session scored by v1.0');
CREATE TABLE spec.before AS SELECT * FROM fusion_outputs;
-- when v2 is activated
SELECT spec.act('SELECT mm_activate_model(''v2'')', 'spec_worker');
SELECT is(spec.active(), 'v2', 'when v2 is activated, it alone is active');
-- then
SELECT is(spec.say('SELECT model_version FROM mm_fuse_session(md5(''session 2'')::uuid)', 'spec_worker'), 'v2', 'a new session is scored by v2');
SELECT is(spec.say('SELECT model_version FROM mm_fuse_session(md5(''session 1'')::uuid)', 'spec_worker'), 'v1.0', 'a scored one keeps its model');
SELECT is(spec.say('SELECT model_version FROM mm_fuse_session(md5(''session 1'')::uuid, refresh => true)', 'spec_worker'), 'v1.0', 'refreshed with nothing new too');
INSERT INTO audio_analysis (session_id, vocal_characteristics) VALUES (md5('session 1')::uuid, spec.document('vocal_characteristics'));
SELECT is(spec.say('SELECT (model_version, p_worse_audio IS NOT NULL)::text FROM mm_fuse_session(md5(''session 1'')::uuid, refresh => true)', 'spec_worker'), '(v1.0,t)', 'and refreshed with a new modality');
SELECT is((SELECT f.p_worse_text = b.p_worse_text FROM fusion_outputs AS f JOIN spec.before AS b USING (session_id)), true, 'whose text keeps its probability');
SELECT is(spec.say('SELECT mm_rescore_user(spec.alice())', 'spec_worker'), '2', 'when Alice is rescored, both of her scored sessions are');
SELECT is((SELECT string_agg(model_version, ',') FROM fusion_outputs), 'v2,v2', 'and both have the active model');
SELECT is((SELECT string_agg(DISTINCT feature_name, ',') FROM user_feature_baselines WHERE user_id = spec.alice()), 'text.negative', 'her baselines are those of the active model''s features');
SELECT isnt((SELECT p_worse_fused FROM fusion_outputs WHERE session_id = md5('session 1')::uuid), (SELECT p_worse_fused FROM spec.before), 'and the score is another');
SELECT is((SELECT status FROM assessment_sessions WHERE id = md5('session 3')::uuid), 'pending', 'a session that was not scored is left alone');
-- back again
SELECT spec.act('SELECT mm_activate_model(''v1.0'')', 'spec_worker');
SELECT is(spec.active(), 'v1.0', 'v1.0 can be activated again');
SELECT is(spec.outcome('SELECT mm_activate_model(''v1.0'')', 'spec_worker'), '1', 'activating the active one does nothing');
SELECT is(spec.say('SELECT model_version FROM mm_fuse_session(md5(''session 3'')::uuid)', 'spec_worker'), 'v1.0', 'and it scores');
SELECT * FROM finish();
ROLLBACK;
