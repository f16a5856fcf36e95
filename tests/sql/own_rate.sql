-- mm_own_rate(): how often a person is worse than usual, and how well that is known.
BEGIN;
SELECT no_plan();
\ir lib/cohort.psql

SELECT results_eq('SELECT rate, outcomes, worse FROM mm_own_rate(pg_temp.person_id(1))', 'VALUES (0.25::float8, 0::bigint, 0::bigint)', 'given no outcome, the model''s prior rate');

-- References: scipy's beta posteriors, through the model's prior and recorded outcomes ---------------
\set beta `cat crates/scoring/tests/golden/beta_posterior.json`
CREATE TEMP TABLE reference AS
SELECT row_number() OVER ()::int AS number, c, (c ->> 'k')::int AS k, (c ->> 'n')::int AS n, (c ->> 'alpha0')::float8 AS a, (c ->> 'beta0')::float8 AS b
FROM jsonb_array_elements(:'beta'::jsonb -> 'cases') AS c;
SELECT is((SELECT count(*) FROM reference) >= 7, true, 'there are reference cases');
SELECT mm_register_model(pg_temp.model('beta ' || number, jsonb_build_object('fusion', jsonb_build_object('prior_rate', a / (a + b), 'prior_strength', a + b)))) FROM reference \g /dev/null
CREATE TEMP TABLE got (number int, rate float8, low float8, high float8, outcomes bigint, worse bigint);
INSERT INTO session_keys (id, user_id, created_at) SELECT pg_temp.session_id(number, i), pg_temp.person_id(number), '2020-01-01'::timestamptz + i * interval '1 hour' FROM reference, generate_series(1, n) AS i;
INSERT INTO session_outcomes (session_id, worse, source) SELECT pg_temp.session_id(number, i), i <= k, 'test' FROM reference, generate_series(1, n) AS i;
DO $each$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT number FROM reference LOOP
        PERFORM mm_activate_model('beta ' || r.number);
        INSERT INTO got SELECT r.number, o.* FROM mm_own_rate(pg_temp.person_id(r.number)) AS o;
    END LOOP;
END
$each$;
SELECT is(count(*), (SELECT count(*) FROM reference), 'every case was asked') FROM got;
SELECT pg_temp.close(rate, (c ->> 'mean')::float8, 1e-9, format('%s of %s: mean', k, n)) FROM got JOIN reference USING (number);
SELECT pg_temp.close(low, (c ->> 'lo90')::float8, 1e-9, format('%s of %s: low', k, n)) FROM got JOIN reference USING (number);
SELECT pg_temp.close(high, (c ->> 'hi90')::float8, 1e-9, format('%s of %s: high', k, n)) FROM got JOIN reference USING (number);
SELECT is((outcomes, worse), (n::bigint, k::bigint), format('%s of %s: counts', k, n)) FROM got JOIN reference USING (number);

-- A rate that ages, and a recent one of its own -------------------------------------------------
SELECT mm_register_model(pg_temp.model('recent', '{"fusion": {"recent_half_life_days": 1, "recent_strength": 1}}')), mm_activate_model('recent') \g /dev/null
INSERT INTO session_keys (id, user_id, created_at) SELECT pg_temp.session_id(500, i), pg_temp.person_id(500), now() - (11 - i) * interval '1 day' FROM generate_series(1, 10) AS i;
INSERT INTO session_outcomes (session_id, worse, source) SELECT pg_temp.session_id(500, i), i = 10, 'test' FROM generate_series(1, 10) AS i;
-- lasting: (4·¼ + 1)/(4 + 10); of late 1 of Σ 2^-1 … 2^-10 outcomes, the worse one worth ½
SELECT pg_temp.close(rate, (2.0 / 14 + 0.5) / (1 + 1 - 2.0 ^ -10), 1e-9, 'yesterday counts for more') FROM mm_own_rate(pg_temp.person_id(500));
SELECT mm_activate_model('beta 1') \g /dev/null
SELECT ok(rate < 0.2, 'and for one of ten without it') FROM mm_own_rate(pg_temp.person_id(500));

-- Who may ---------------------------------------------------------------------------------------
SELECT throws_ok('SELECT mm_own_rate(NULL)', '22004', NULL, 'nobody');
SELECT set_config('request.jwt.claim.sub', pg_temp.person_id(500)::text, true) \g /dev/null
SET ROLE mindmeasure_user;
SELECT lives_ok('SELECT mm_own_rate(auth.uid())', 'a person their own');
SELECT throws_ok('SELECT mm_own_rate(''00000000-0000-4000-8000-000000000001'')', '42501', NULL, 'not somebody else''s');
RESET ROLE;
SET ROLE mindmeasure_auditor;
SELECT throws_ok('SELECT mm_own_rate(''00000000-0000-4000-8000-000000000001'')', '42501', NULL, 'not the auditor');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
