-- mm_fit_calibration(): how one person's evidence translates into outcomes, about the model's prior.
BEGIN;
SELECT no_plan();
\ir lib/cohort.psql

SELECT mm_register_model(pg_temp.model('m')) \g /dev/null
SELECT mm_activate_model('m') \g /dev/null

-- No points: the prior exactly -------------------------------------------------------------
SELECT results_eq($$SELECT modality, a, b, n_points, log_loss_before, log_loss_after FROM mm_fit_calibration(pg_temp.person_id(1))$$,
    $$VALUES ('text', 1::float8, ln(0.25::float8 / 0.75), 0, NULL::float8, NULL::float8), ('audio', 1, ln(0.25::float8 / 0.75), 0, NULL, NULL)$$,
    'given no outcome, the prior: b is the log-odds of the own rate');
SELECT is_empty('SELECT FROM user_calibration', 'and nothing is stored: the prior goes on following the own rate');

-- References: scipy's MAP fits ----------------------------------------------------------------
-- Through stored rows, the model's prior and what is stored. Cases with smoothed targets or weights
-- are not what the product does; they are run against the fit itself (cargo test).
\set platt `cat crates/scoring/tests/golden/platt.json`
CREATE TEMP TABLE platt AS
SELECT row_number() OVER () + 100 AS person, c ->> 'name' AS name, c -> 'x' AS x, c -> 'y' AS y, c -> 'prior' AS prior, c -> 'expect' AS expect
FROM jsonb_array_elements(:'platt'::jsonb -> 'cases') AS c
WHERE jsonb_typeof(c -> 'prior') = 'array' AND NOT (c ->> 'smooth_targets')::boolean AND jsonb_typeof(c -> 'weights') IS DISTINCT FROM 'array';
SELECT is((SELECT count(*) FROM platt) >= 6, true, 'there are reference cases');
SELECT mm_register_model(pg_temp.model('platt', jsonb_build_object('modalities', jsonb_build_object('text', jsonb_build_object('calibration_prior',
    jsonb_build_object('a', prior -> 0, 'b', prior -> 1, 'sd_a', 1 / sqrt((prior ->> 2)::float8), 'sd_b', 1 / sqrt((prior ->> 3)::float8)))))))
FROM (SELECT DISTINCT prior FROM platt) AS p \g /dev/null
SELECT mm_activate_model('platt') \g /dev/null
SELECT pg_temp.scored(person::int, n::int, 'platt', ARRAY[0, 0, NULL], raw::float8, NULL, (y ->> (n::int - 1))::float8 = 1)
FROM platt CROSS JOIN LATERAL jsonb_array_elements_text(x) WITH ORDINALITY AS e (raw, n) \g /dev/null
CREATE TEMP TABLE fitted AS
SELECT p.name, p.expect, jsonb_array_length(p.x) AS n, f.* FROM platt AS p CROSS JOIN LATERAL mm_fit_calibration(pg_temp.person_id(p.person::int), 'text') AS f;
SELECT pg_temp.close(f.a, (expect ->> 'a')::float8, 1e-7, name || ' a') FROM fitted AS f;
SELECT pg_temp.close(f.b, (expect ->> 'b')::float8, 1e-7, name || ' b') FROM fitted AS f;
SELECT is(n_points, n, name || ' n_points') FROM fitted AS f;
SELECT pg_temp.close(c.covariance[k], (expect #>> path)::float8, 1e-7, format('%s covariance %s', name, k))
FROM platt AS p JOIN user_calibration AS c ON c.user_id = pg_temp.person_id(p.person::int)
CROSS JOIN (VALUES (1, '{cov,0,0}'::text[]), (2, '{cov,0,1}'), (3, '{cov,1,1}')) AS k (k, path);
SELECT ok(log_loss_after <= log_loss_before + 1e-12, name || ': the fit is no worse than the prior') FROM fitted WHERE n > 0;

-- Hard inputs ------------------------------------------------------------------------------
SELECT mm_activate_model('m') \g /dev/null
SELECT pg_temp.scored(10, n, 'm', ARRAY[n, 0, NULL], n - 10.5, NULL, n > 10) FROM generate_series(1, 20) AS n \g /dev/null
SELECT pg_temp.scored(11, n, 'm', ARRAY[n, 0, NULL], n - 10.5, NULL, true) FROM generate_series(1, 20) AS n \g /dev/null
SELECT pg_temp.scored(12, n, 'm', ARRAY[n, 0, NULL], 1500 * (-1) ^ n, NULL, n % 4 = 0) FROM generate_series(1, 20) AS n \g /dev/null
SELECT pg_temp.scored(13, n, 'm', ARRAY[n, 0, NULL], 0.5, NULL, n % 2 = 0) FROM generate_series(1, 20) AS n \g /dev/null
SELECT ok(f.n_points = 20 AND f.log_loss_after <= f.log_loss_before AND f.a BETWEEN -5 AND 5 AND f.b BETWEEN -10 AND 10, format('%s: a %s, b %s', name, round(f.a::numeric, 4), round(f.b::numeric, 4)))
FROM (VALUES (10, 'separable'), (11, 'one class'), (12, 'evidence of 1500'), (13, 'constant evidence')) AS x (person, name)
CROSS JOIN LATERAL mm_fit_calibration(pg_temp.person_id(person), 'text') AS f;

-- What counts ------------------------------------------------------------------------------
SELECT is((SELECT count(*) FROM user_calibration WHERE user_id = pg_temp.person_id(10)), 1::bigint, 'one modality was asked for, one is stored');
SELECT is((SELECT string_agg(modality || n_points, ' ') FROM mm_fit_calibration(pg_temp.person_id(10))), 'text20 audio0', 'all of the model''s without a modality');
SELECT pg_temp.scored(10, 50, 'platt', ARRAY[9, 0, NULL], 9, NULL, false), pg_temp.scored(10, 51, 'm', ARRAY[9, 0, NULL], 9, NULL, NULL),
    pg_temp.scored(10, 52, 'm', ARRAY[NULL, NULL, 1], NULL, 1, false) \g /dev/null
SELECT is((SELECT string_agg(modality || n_points, ' ') FROM mm_fit_calibration(pg_temp.person_id(10))), 'text20 audio1',
    'another model''s evidence, a session without outcome and an absent modality are no points');
CREATE TEMP TABLE once AS SELECT * FROM mm_fit_calibration(pg_temp.person_id(10));
SELECT set_eq('SELECT * FROM mm_fit_calibration(pg_temp.person_id(10))', 'SELECT * FROM once', 'fitted again, the same');
DELETE FROM session_outcomes WHERE user_id = pg_temp.person_id(10);
SELECT is((SELECT count(*) FROM mm_fit_calibration(pg_temp.person_id(10)) WHERE n_points = 0 AND a = 1), 2::bigint, 'when the outcomes are gone, the prior');
SELECT is((SELECT count(*) FROM user_calibration WHERE user_id = pg_temp.person_id(10)), 0::bigint, 'and the stored fit is gone');

-- b and the own rate -----------------------------------------------------------------------
SELECT count(*) FROM mm_fit_calibration(pg_temp.person_id(12)) \g /dev/null
SELECT pg_temp.close(c.own_logit, ln(r.rate / (1 - r.rate)), 1e-12, 'what is learnt of b is kept beside the own rate it was learnt at')
FROM user_calibration AS c CROSS JOIN mm_own_rate(c.user_id) AS r WHERE c.user_id = pg_temp.person_id(12);
SELECT is((SELECT bool_and(own_logit IS NULL) FROM user_calibration WHERE user_id IN (SELECT pg_temp.person_id(person::int) FROM platt)), true,
    'a b that the model fixes does not follow the own rate');

-- Errors -----------------------------------------------------------------------------------
SELECT throws_ok('SELECT mm_fit_calibration(NULL)', '22004', 'user_id: is missing', 'no person');
SELECT throws_ok('SELECT mm_fit_calibration(pg_temp.person_id(1), ''smell'')', '22023', NULL, 'an unknown modality');
SELECT throws_ok('SELECT mm_fit_calibration(pg_temp.person_id(1), ''visual'')', '22023', NULL, 'one the model does not have');
SET ROLE mindmeasure_user;
SELECT throws_ok('SELECT mm_fit_calibration(''00000000-0000-4000-8000-000000000001'')', '42501', NULL, 'not by a user');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
