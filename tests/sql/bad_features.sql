-- A number that cannot be read costs its feature, not the session: scored all the same, with the
-- feature named in drivers.dropped. What is not there is missing, and never 0.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql

-- given a model that reads emotional_markers, a document without a strict schema
CREATE FUNCTION spec.feature(name text, transform text DEFAULT 'identity', reduce text DEFAULT 'first', path text DEFAULT NULL) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('name', name, 'modality', 'audio', 'document', 'emotional_markers', 'path', coalesce(path, '$.' || name),
        'weight', CASE name WHEN 'steady' THEN 1.0 ELSE 0.3 END, 'population_mean', 0, 'population_sd', 1, 'transform', transform, 'reduce', reduce) $$;
SELECT is(spec.say(format('SELECT mm_register_model(%L)', jsonb_build_object('model_version', 'markers', 'features', jsonb_build_array(
        spec.feature('steady'), spec.feature('plain'), spec.feature('log', 'log1p'), spec.feature('share', 'logit'),
        spec.feature('total', reduce => 'sum', path => '$.list[*]'), spec.feature('average', reduce => 'mean', path => '$.list[*]'), spec.feature('number', reduce => 'count', path => '$.list')))), 'spec_worker'),
    'markers', 'given a model that reads emotional_markers');
SELECT spec.act('SELECT mm_activate_model(''markers'')', 'spec_worker');

CREATE TABLE spec.cases (number serial, name text, markers text, dropped text, present text);
INSERT INTO spec.cases (name, markers, dropped, present) VALUES
    ('all is well', '{"steady": 1, "plain": 1, "log": 1, "share": 0.5, "list": [1, 2]}', '', 'average,log,number,plain,share,steady,total'),
    ('a leaf that is text', '{"steady": 1, "plain": "1"}', 'plain', 'steady'),
    ('a leaf that is a boolean', '{"steady": 1, "plain": true}', 'plain', 'steady'),
    ('a leaf that is an object', '{"steady": 1, "plain": {"value": 1}}', 'plain', 'steady'),
    ('a leaf that is a list', '{"steady": 1, "plain": [1]}', 'plain', 'steady'),
    ('a leaf that is empty text', '{"steady": 1, "plain": ""}', 'plain', 'steady'),
    ('1e400, which no double holds', '{"steady": 1, "plain": 1e400}', 'plain', 'steady'),
    ('-1e400', '{"steady": 1, "plain": -1e400}', 'plain', 'steady'),
    ('1e-400, which is 0 as a double', '{"steady": 1, "plain": 1e-400}', '', 'plain,steady'),
    ('the largest double', '{"steady": 1, "plain": 1.7976931348623157e308}', '', 'plain,steady'),
    ('text NaN', '{"steady": 1, "plain": "NaN"}', 'plain', 'steady'),
    ('null is missing', '{"steady": 1, "plain": null}', '', 'steady'),
    ('absent is missing', '{"steady": 1}', '', 'steady'),
    ('0 is 0', '{"steady": 1, "plain": 0}', '', 'plain,steady'),
    ('log1p of -1', '{"steady": 1, "log": -1}', 'log', 'steady'),
    ('log1p of -2', '{"steady": 1, "log": -2}', 'log', 'steady'),
    ('log1p of 0', '{"steady": 1, "log": 0}', '', 'log,steady'),
    ('logit of 0', '{"steady": 1, "share": 0}', 'share', 'steady'),
    ('logit of 1', '{"steady": 1, "share": 1}', 'share', 'steady'),
    ('logit of 1.5', '{"steady": 1, "share": 1.5}', 'share', 'steady'),
    ('logit of -0.5', '{"steady": 1, "share": -0.5}', 'share', 'steady'),
    ('a list with a word in it', '{"steady": 1, "list": [1, "two"]}', 'average,total', 'number,steady'),
    ('a list with a null in it', '{"steady": 1, "list": [1, null]}', '', 'average,number,steady,total'),
    ('a sum beyond all doubles', '{"steady": 1, "list": [1.7e308, 1.7e308]}', 'average,total', 'number,steady'),
    ('an empty list counts 0 and has no sum', '{"steady": 1, "list": []}', '', 'number,steady'),
    ('several at once', '{"steady": 1, "plain": "x", "log": -5, "share": 2}', 'log,plain,share', 'steady'),
    ('nothing that can be read', '{"steady": "x"}', 'steady', ''),
    ('nothing at all', '{}', '', '');
INSERT INTO assessment_sessions (id, user_id, assessment_type, created_at)
SELECT md5(name)::uuid, md5('person of ' || name)::uuid, 'voice-only', now() - interval '1 day' FROM spec.cases;
INSERT INTO audio_analysis (session_id, emotional_markers) SELECT md5(name)::uuid, markers::jsonb FROM spec.cases;

-- when each is scored
SELECT is(spec.act('SELECT f.* FROM assessment_sessions AS s CROSS JOIN LATERAL mm_fuse_session(s.id) AS f', 'spec_worker'),
    (SELECT count(*) FROM spec.cases), 'every session is scored');

-- then
CREATE VIEW spec.found AS
SELECT c.*, f.*, s.status,
    coalesce((SELECT string_agg(d ->> 'feature', ',' ORDER BY d ->> 'feature') FROM jsonb_array_elements(f.drivers -> 'dropped') AS d), '') AS found_dropped,
    coalesce((SELECT string_agg(i ->> 'feature', ',' ORDER BY i ->> 'feature') FROM jsonb_array_elements(f.drivers -> 'items') AS i WHERE i ? 'z'), '') AS found_present
FROM spec.cases AS c
LEFT JOIN fusion_outputs AS f ON f.session_id = md5(c.name)::uuid
LEFT JOIN assessment_sessions AS s ON s.id = f.session_id;
SELECT is(found_dropped, dropped, name || ': dropped ' || coalesce(nullif(dropped, ''), 'nothing')) FROM spec.found ORDER BY number;
SELECT is(found_present, present, name || ': counted ' || coalesce(nullif(present, ''), 'nothing')) FROM spec.found ORDER BY number;
SELECT is_empty($$ SELECT name, status, score FROM spec.found WHERE status IS DISTINCT FROM 'completed' OR score IS NULL OR p_worse_fused IN ('NaN', 'Infinity') $$, 'each has a score and is completed');
SELECT is_empty($$ SELECT name, drivers -> 'dropped' FROM spec.found WHERE EXISTS (
        SELECT FROM jsonb_array_elements(drivers -> 'dropped') AS d WHERE d ->> 'modality' <> 'audio' OR coalesce(d ->> 'reason', '') = '') $$,
    'what was dropped carries its modality and a reason');
SELECT is((SELECT (score, qc_overall, p_worse_audio)::text FROM spec.found WHERE name = 'nothing that can be read'), '(75,insufficient,)', 'with nothing to go by the score is the base rate, insufficient, without p_worse_audio');
SELECT is_empty('SELECT * FROM user_feature_baselines WHERE user_id = md5(''person of nothing that can be read'')::uuid', 'and nothing is learnt from it');
SELECT is((SELECT string_agg(feature_name, ',' ORDER BY feature_name) FROM user_feature_baselines WHERE user_id = md5('person of several at once')::uuid),
    'steady', 'what was dropped is not learnt, what was read is');
SELECT is_empty($$ SELECT name FROM spec.found WHERE drivers::text ~ 'two|"x"' $$, 'what was dropped is not quoted');

-- a wellness score that is a valid NUMERIC from 0 to 100 and too small for a double
INSERT INTO assessment_sessions (id, user_id, assessment_type) VALUES ('00000000-0000-4000-8000-000000000001', spec.alice(), 'voice-only');
INSERT INTO audio_analysis (session_id, emotional_markers, audio_wellness_score) VALUES ('00000000-0000-4000-8000-000000000001', '{"steady": 1}', 1e-400);
SELECT is(spec.error('SELECT * FROM mm_fuse_session(''00000000-0000-4000-8000-000000000001'')', 'spec_worker'), '1 rows', 'a stored wellness score never keeps a session from being scored');

SELECT * FROM finish();
ROLLBACK;
