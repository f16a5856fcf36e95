-- $1 session id. What a score is told from; no row where the caller may not see it.
SELECT f.score,
       100 * (1 - (f.drivers #>> '{uncertainty,high}')::float8) AS low,
       100 * (1 - (f.drivers #>> '{uncertainty,low}')::float8) AS high,
       f.qc_overall,
       f.drivers::text AS drivers,
       m.baseline_mean, m.baseline_n, m.baseline_deviation,
       (m.baseline_comparison ->> 'p')::float8 AS p,
       m.trend_analysis::text AS trend_analysis
FROM @extschema@.fusion_outputs AS f
LEFT JOIN @extschema@.mind_measure_scores AS m ON m.session_id = f.session_id
WHERE f.session_id = $1
