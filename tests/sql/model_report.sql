-- mm_model_report(): how well a model foretells outcomes, beside the person's own rate.
BEGIN;
SELECT no_plan();
\ir lib/cohort.psql

SELECT throws_ok('SELECT mm_model_report()', '55000', NULL, 'given nothing to judge, it says so');

-- References: scikit-learn's and scipy's figures -----------------------------------------------
-- One person a session, so that each is at the prior rate of 0.5 and z = logit p gives p.
\set metrics `cat crates/scoring/tests/golden/metrics.json`
CREATE TEMP TABLE reference AS SELECT row_number() OVER ()::int AS number, c ->> 'name' AS name, c AS content, c -> 'expect' AS expect
FROM jsonb_array_elements(:'metrics'::jsonb -> 'cases') AS c WHERE NOT c -> 'p' @> '0' AND NOT c -> 'p' @> '1';
SELECT is((SELECT count(*) FROM reference) >= 4, true, 'there are reference cases');
-- Each case is a model of its own, told apart by a population figure that plays no part.
SELECT mm_register_model(jsonb_set(jsonb_set(pg_temp.model(name, '{"fusion": {"prior_rate": 0.5}}'), '{features,1,weight}', '0'), '{features,2,population_mean}', to_jsonb(number))) FROM reference \g /dev/null
SELECT pg_temp.scored(1000 * number + i::int, 1, name, ARRAY[ln(p::float8 / (1 - p::float8)), NULL, NULL], 0, NULL, (content -> 'y' ->> (i::int - 1))::float8 = 1)
FROM reference CROSS JOIN LATERAL jsonb_array_elements_text(content -> 'p') WITH ORDINALITY AS e (p, i) \g /dev/null
CREATE TEMP TABLE reported AS SELECT r.name, r.expect, m.* FROM reference AS r CROSS JOIN LATERAL mm_model_report(r.name) AS m WHERE m.predictor = 'model';
SELECT is(n, (expect ->> 'n')::bigint, name || ' n') FROM reported;
SELECT pg_temp.close(got, wanted, 1e-7, format('%s %s', name, what)) FROM reported CROSS JOIN LATERAL (VALUES
    ('base rate', base_rate, expect ->> 'base_rate'), ('Brier', brier, expect ->> 'brier'), ('log loss', log_loss, expect ->> 'log_loss'), ('ECE', ece, expect ->> 'ece10'),
    ('AUC', auc, expect ->> 'auc'), ('slope', calibration_slope, expect ->> 'calibration_slope')) AS x (what, got, wanted_text)
CROSS JOIN LATERAL (SELECT wanted_text::float8 AS wanted) AS w WHERE wanted IS NOT NULL;

-- Given forty people whose outcomes follow a and c ----------------------------------------------
DELETE FROM session_outcomes;
SELECT mm_register_model(pg_temp.model('m')) \g /dev/null
SELECT mm_activate_model('m') \g /dev/null
SELECT pg_temp.cohort('m', 40, 40) \g /dev/null
SELECT mm_fit_model('learnt') \g /dev/null
CREATE TEMP TABLE judged AS SELECT f.folds, r.* FROM (VALUES (2), (5)) AS f (folds) CROSS JOIN LATERAL mm_model_report('learnt', f.folds) AS r;
SELECT results_eq('SELECT predictor, n FROM mm_model_report()', $$VALUES ('model', 1600::bigint), ('own rate', 1600)$$, 'the active model by default; two predictors on the same sessions');
SELECT ok(m.brier < o.brier - 0.02 AND m.log_loss < o.log_loss AND m.auc > o.auc AND m.within_user_auc > 0.7, format('on people left out, %s folds: %s against %s', m.folds, round(m.brier::numeric, 4), round(o.brier::numeric, 4)))
FROM judged AS m JOIN judged AS o USING (folds) WHERE m.predictor = 'model' AND o.predictor = 'own rate';
SELECT ok(calibration_slope BETWEEN 0.8 AND 1.25 AND ece < 0.06, 'and calibrated') FROM judged WHERE predictor = 'model';

-- The own rate is computed as scoring does: outcomes of strictly earlier sessions, no others ----
CREATE TEMP VIEW own AS SELECT avg((p - y) ^ 2) AS brier FROM (
    SELECT worse::int AS y, (4 * 0.25 + coalesce(sum(worse::int) OVER earlier, 0)) / (4 + count(*) OVER earlier) AS p FROM session_outcomes
    WINDOW earlier AS (PARTITION BY user_id ORDER BY session_created_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS x;
SELECT pg_temp.close((SELECT brier FROM mm_model_report() WHERE predictor = 'own rate'), (SELECT brier FROM own), 1e-12, 'own rate');

-- No look-ahead: later outcomes, whatever they are, change no earlier prediction -----------------
UPDATE fusion_outputs SET model_version = 'v1.0', feature_z = '{}' WHERE session_created_at > '2025-01-21 13:00+00';
CREATE TEMP TABLE first_half AS SELECT * FROM mm_model_report('m');
UPDATE session_outcomes SET worse = pg_temp.chance(session_id || 'permuted') < 0.5 WHERE session_created_at > '2025-01-21 13:00+00';
SELECT set_eq($$SELECT * FROM mm_model_report('m')$$, 'SELECT * FROM first_half', 'permuting what comes later changes nothing');
DELETE FROM session_outcomes WHERE session_created_at > '2025-01-21 13:00+00';
SELECT set_eq($$SELECT * FROM mm_model_report('m')$$, 'SELECT * FROM first_half', 'nor does taking it away');

SELECT is((SELECT n FROM mm_model_report('learnt', 20) WHERE predictor = 'model'), 800::bigint, 'many folds');

SELECT throws_ok('SELECT mm_model_report(''learnt'', 41)', '22023', NULL, 'more folds than people');

-- A single person: foretold from what came before, in stretches of time ---------------------------
DELETE FROM session_outcomes WHERE user_id <> pg_temp.person_id(1);
SELECT pg_temp.scored(1, n, 'm', ARRAY[x.a, x.b, x.c], x.a, x.c, pg_temp.chance(format('one %s worse', n)) < 1 / (1 + exp(1 - 1.2 * x.a + x.c)))
FROM generate_series(1001, 1480) AS n CROSS JOIN LATERAL (SELECT pg_temp.normal(format('one %s a', n)) AS a, pg_temp.normal(format('one %s b', n)) AS b, pg_temp.normal(format('one %s c', n)) AS c) AS x \g /dev/null
DELETE FROM session_outcomes WHERE session_created_at < '2027-01-01';
CREATE TEMP TABLE one AS SELECT * FROM mm_model_report('learnt', 5);
SELECT is(n, 400::bigint, 'the first of six stretches is only learnt from') FROM one WHERE predictor = 'model';
SELECT ok(m.brier < o.brier - 0.02 AND m.within_user_auc > 0.7, format('and the others are foretold: %s against %s', round(m.brier::numeric, 4), round(o.brier::numeric, 4)))
FROM one AS m, one AS o WHERE m.predictor = 'model' AND o.predictor = 'own rate';
SELECT is(mm_fit_model('of one'), 'of one', 'a model can be learnt from one person');
SELECT is(spec #>> '{trained,people}', '1', 'and says so') FROM mm_models WHERE model_version = 'of one';

-- Errors, and who may ---------------------------------------------------------------------------
SELECT throws_ok('SELECT mm_model_report(''nobody''''s'')', '42704', NULL, 'an unknown model');
SELECT throws_ok(format('SELECT mm_model_report(''learnt'', %s)', f), '22023', NULL, 'folds ' || f) FROM unnest('{1,0,-1,101}'::text[]) AS f;
SELECT throws_ok('SELECT mm_model_report(''learnt'', NULL)', '22004', NULL, 'no folds');
SET ROLE mindmeasure_auditor;
SELECT is((SELECT count(*) FROM mm_model_report('m')), 2::bigint, 'the auditor may');
RESET ROLE;
SET ROLE mindmeasure_user;
SELECT throws_ok('SELECT mm_model_report()', '42501', NULL, 'a user may not');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
