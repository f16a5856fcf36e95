-- mm_fit_model(): what all people together teach becomes a new, inactive model.
BEGIN;
SELECT no_plan();
\ir lib/cohort.psql

SELECT mm_register_model(pg_temp.model('m')) \g /dev/null
SELECT mm_activate_model('m') \g /dev/null
SELECT throws_ok('SELECT mm_fit_model(''x'')', '55000', NULL, 'given nothing to learn from, it says so');

-- Given forty people whose outcomes follow a and c --------------------------------------------
SELECT pg_temp.cohort('m', 40, 40) \g /dev/null
CREATE FUNCTION pg_temp.learnt(version text, feature text) RETURNS float8 LANGUAGE sql AS $$
    SELECT (f ->> 'weight')::float8 * (spec #>> ARRAY['modalities', f ->> 'modality', 'calibration_prior', 'a'])::float8
    FROM mm_models CROSS JOIN LATERAL jsonb_array_elements(spec -> 'features') AS f WHERE model_version = version AND f ->> 'name' = feature
$$;
SELECT is(mm_fit_model('learnt', 1), 'learnt', 'the version is returned');
SELECT results_eq('SELECT model_version, is_active FROM mm_models ORDER BY 1', $$VALUES ('learnt', false), ('m', true), ('v1.0', false)$$, 'it is registered, inactive');
SELECT pg_temp.close(pg_temp.learnt('learnt', 'a'), 1, 0.2, 'a');
SELECT pg_temp.close(pg_temp.learnt('learnt', 'b'), 0, 0.15, 'b');
SELECT pg_temp.close(pg_temp.learnt('learnt', 'c'), -0.8, 0.2, 'c');
SELECT ok((spec #>> '{fusion,prior_rate}')::float8 BETWEEN 0.2 AND 0.45, 'the prior rate is the people''s') FROM mm_models WHERE model_version = 'learnt';
SELECT ok((spec #>> '{fusion,prior_strength}')::float8 BETWEEN 1 AND 20, 'and its strength how far they differ') FROM mm_models WHERE model_version = 'learnt';
SELECT ok((spec #>> '{fusion,rho,0,1}')::float8 BETWEEN 0 AND 0.15, 'rho: the modalities are independent') FROM mm_models WHERE model_version = 'learnt';
SELECT is(spec -> 'trained', '{"from": "m", "lambda": 1.0, "penalty": 1.0, "sessions": 1600, "people": 40}'::jsonb, 'it says what it was learnt from') FROM mm_models WHERE model_version = 'learnt';
SELECT results_eq($$SELECT f - 'weight' FROM mm_models, jsonb_array_elements(spec -> 'features') AS f WHERE model_version = 'learnt'$$,
    $$SELECT f - 'weight' FROM mm_models, jsonb_array_elements(spec -> 'features') AS f WHERE model_version = 'm'$$, 'the features are the same but for their weights');
-- The same data give the same model, and a stronger penalty smaller weights.
SELECT mm_fit_model('again', 1), mm_fit_model('strong', 1000), mm_fit_model('chosen') \g /dev/null
SELECT is((SELECT spec - 'model_version' FROM mm_models WHERE model_version = 'again'), (SELECT spec - 'model_version' FROM mm_models WHERE model_version = 'learnt'), 'learnt again, the same');
SELECT is(s.spec #>> '{features,0,weight}' < l.spec #>> '{features,0,weight}', true, 'a strong penalty, a small weight')
FROM mm_models AS s, mm_models AS l WHERE s.model_version = 'strong' AND l.model_version = 'learnt';
SELECT is((SELECT spec #> '{trained,lambda}' FROM mm_models WHERE model_version = 'chosen'), 'null', 'without lambda the penalty is chosen');
SELECT pg_temp.close(pg_temp.learnt('chosen', 'a'), 1, 0.2, 'a, penalty chosen');

-- Outcomes of what another kind of model scored count for the own rate, not for the weights -----
SELECT mm_register_model(jsonb_set(pg_temp.model('other'), '{features,0,population_mean}', '5')) \g /dev/null
SELECT pg_temp.scored(1, n, 'other', ARRAY[4, 4, NULL], 4, NULL, false) FROM generate_series(101, 150) AS n \g /dev/null
SELECT mm_fit_model('with others') \g /dev/null
SELECT is((SELECT (spec #>> '{trained,sessions}')::int FROM mm_models WHERE model_version = 'with others'), 1600, 'z of another kind is not mixed in');
-- A model that was learnt reads the same z: its sessions count on.
SELECT mm_activate_model('learnt') \g /dev/null
SELECT pg_temp.scored(2, n, 'learnt', ARRAY[0.1, 0.1, NULL], 0.1, NULL, false) FROM generate_series(101, 110) AS n \g /dev/null
SELECT mm_fit_model('next') \g /dev/null
SELECT is((SELECT (spec #>> '{trained,sessions}')::int FROM mm_models WHERE model_version = 'next'), 1610, 'sessions of the models before and of the learnt one count');

-- A learnt model scores ------------------------------------------------------------------------
INSERT INTO assessment_sessions (id, user_id, created_at, updated_at) VALUES (pg_temp.session_id(2, 200), pg_temp.person_id(2), '2025-12-01', '2025-12-01');
INSERT INTO text_analysis (session_id, linguistic_patterns) VALUES (pg_temp.session_id(2, 200), '{"a": 2, "b": 0}');
SELECT is((SELECT model_version FROM mm_fuse_session(pg_temp.session_id(2, 200))), 'learnt', 'a learnt model scores');

-- Errors ---------------------------------------------------------------------------------------
SELECT throws_ok('SELECT mm_fit_model(NULL)', '22004', NULL, 'no version');
SELECT throws_ok('SELECT mm_fit_model(''learnt'')', '42710', NULL, 'a version is registered once');
SELECT throws_ok('SELECT mm_fit_model('''')', '22023', NULL, 'not without a name');
SELECT throws_ok(format('SELECT mm_fit_model(''x'', %s)', l), '22023', NULL, 'lambda ' || l) FROM unnest('{0,-1,''NaN'',''Infinity''}'::text[]) AS l;
UPDATE session_outcomes SET worse = true;
SELECT throws_ok('SELECT mm_fit_model(''x'')', '55000', NULL, 'outcomes of one class teach nothing');
SET ROLE mindmeasure_user;
SELECT throws_ok('SELECT mm_fit_model(''x'')', '42501', NULL, 'not by a user');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
