-- baseline_comparison: every score against the person's own earlier ones.
BEGIN;
SELECT no_plan();
\ir lib/person.psql
\ir lib/reading.psql
SELECT pg_temp.write_history(1, 40) \g /dev/null

CREATE TEMP TABLE compared AS
SELECT row_number() OVER (ORDER BY f.session_created_at) AS number, f.session_created_at AS at, f.p_worse_fused,
       m.baseline_deviation, m.baseline_n, m.baseline_mean, m.baseline_m2, m.baseline_comparison AS document
FROM fusion_outputs AS f JOIN mind_measure_scores AS m USING (session_id);

SELECT is((SELECT count(*) FROM compared WHERE document IS NULL), 0::bigint, 'every session has one');
SELECT is((SELECT bool_and(mm_validate_json('baseline_comparison', 'baseline_comparison', document)) FROM compared), true, 'which fits the interface');

-- A first session has nothing to be compared with
SELECT is((SELECT document - 'slope' - 'trend_p' - 'sd' - 'mean' FROM compared WHERE number = 1),
    '{"deviation": 0, "significance": "low", "trend": "stable", "confidence_level": 0, "p": null, "n": 0, "trend_n": 0,
      "comparison_period": {"start_date": "2025-01-06", "end_date": "2025-01-06", "session_count": 0}}'::jsonb, 'says so by p and n');

-- With a baseline of three or more, the figures are those of the columns
SELECT is((SELECT count(*) FROM compared WHERE (baseline_deviation IS NULL) <> (number <= 3)), 0::bigint, 'a deviation from the fourth session on');
SELECT is((SELECT count(*) FROM compared WHERE (document ->> 'deviation')::float8 <> coalesce(baseline_deviation, 0)), 0::bigint, 'deviation is baseline_deviation, 0 where that is NULL');
SELECT is((SELECT count(*) FROM compared WHERE (document ->> 'n')::float8 <> baseline_n OR document #>> '{comparison_period,session_count}' <> document ->> 'n'), 0::bigint, 'n is the baseline''s');
SELECT is((SELECT max(abs((100 * (1 - p_worse_fused) - baseline_mean) / (sqrt(baseline_m2 / (baseline_n - 1)) * sqrt((baseline_n + 1) / baseline_n)) - baseline_deviation))
    FROM compared WHERE number > 3) < 1e-9, true, 'Crawford and Howell by hand');
SELECT is((SELECT count(*) FROM compared WHERE document ->> 'p' IS NOT NULL
    AND document ->> 'significance' <> CASE WHEN (document ->> 'p')::float8 <= 0.01 THEN 'high' WHEN (document ->> 'p')::float8 <= 0.1 THEN 'medium' ELSE 'low' END), 0::bigint, 'significance is p in words');
SELECT is((SELECT max(abs((document ->> 'confidence_level')::float8 - 1 + (document ->> 'p')::float8)) FROM compared) < 1e-12, true, 'confidence is 1 - p');
-- t of 2.2281 on 10 degrees of freedom has p = .05: checked where the baseline has 11 sessions.
SELECT is((SELECT ((document ->> 'p')::float8 < 0.05) = (abs(baseline_deviation) > 2.2281389) FROM compared WHERE baseline_n = 11), true, 'p is Student''s, on n - 1');

-- The period is that of the sessions compared with
SELECT is((SELECT document -> 'comparison_period' FROM compared WHERE number = 40),
    '{"start_date": "2025-01-06", "end_date": "2025-03-06", "session_count": 39}'::jsonb, 'from the first to the last earlier session');
SELECT is((SELECT document ->> 'trend' FROM compared WHERE number = 20), 'declining', 'a fall within 30 days is seen');
SELECT is((SELECT (document ->> 'slope')::float8 < 0 FROM compared WHERE number = 20), true, 'with its slope');
SELECT is((SELECT (document ->> 'trend_n')::int FROM compared WHERE number = 21), 9, 'after a pause only the window''s own sessions count');

SELECT * FROM finish();
ROLLBACK;
