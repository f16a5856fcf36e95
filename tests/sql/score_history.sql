-- mm_score_history(): rows for a chart.
BEGIN;
SELECT no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/person.psql
\ir lib/reading.psql
SELECT pg_temp.write_history(1, 30) \g /dev/null
SELECT pg_temp.person_id(1) AS me, pg_temp.person_id(2) AS somebody \gset
CREATE TEMP TABLE history AS SELECT row_number() OVER () AS number, h.* FROM mm_score_history(:'me') AS h;

SELECT is((SELECT count(*) FROM history), 30::bigint, 'every session');
SELECT results_eq('SELECT session_id, session_created_at, score, score_smoothed, qc_overall FROM history ORDER BY number',
    'SELECT session_id, session_created_at, score, score_smoothed, qc_overall FROM fusion_outputs ORDER BY session_created_at, session_id', 'as scored, oldest first');
SELECT is((SELECT count(*) FROM history WHERE NOT (low <= score + 0.5 AND score - 0.5 <= high AND low >= 0 AND high <= 100)), 0::bigint, 'the range holds the score, on its scale');
SELECT is((SELECT max(abs(high - low - 100 * f.uncertainty)) < 1e-9 FROM history JOIN fusion_outputs AS f USING (session_id)), true, 'and is as wide as the uncertainty');
SELECT is((SELECT array_agg(number) FROM history WHERE after_gap), '{21}', 'the pause is a gap, ordinary days are not');
SELECT is((SELECT array_agg(number) FROM history WHERE baseline_mean IS NULL), '{1}', 'the first session has no baseline');
SELECT is((SELECT count(*) FROM history WHERE significance IS NULL), 3::bigint, 'nor the first three a significance');
SELECT is((SELECT count(*) FROM mm_score_history(:'me', '2025-01-10', '2025-01-12')), 2::bigint, 'from is in, to is out');
SELECT is((SELECT count(*) FROM mm_score_history(:'me', '2025-01-10 18:00+00', '2025-01-10 18:00+00')), 0::bigint, 'an empty period');
SELECT is((SELECT count(*) FROM mm_score_history(:'me', to_time => '2025-01-08')), 2::bigint, 'no beginning');
SELECT is((SELECT count(*) FROM mm_score_history(NULL)), 0::bigint, 'nobody');

SELECT is(spec.outcome(format('SELECT * FROM mm_score_history(%L)', :'me'), 'spec_app', :'me'), '30', 'the person sees theirs');
SELECT is(spec.outcome(format('SELECT * FROM mm_score_history(%L)', :'me'), 'spec_worker'), '30', 'so does the system');
SELECT is(spec.outcome(format('SELECT * FROM mm_score_history(%L)', :'me'), 'spec_app', :'somebody'), '0', 'somebody else sees nothing');
SELECT is(spec.outcome(format('SELECT * FROM mm_score_history(%L)', :'me'), 'spec_app'), '0', 'nor does nobody');
SELECT is(spec.outcome(format('SELECT * FROM mm_score_history(%L)', :'me'), 'spec_anon'), 'refused', 'strangers may not ask');

SELECT * FROM finish();
ROLLBACK;
