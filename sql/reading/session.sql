-- $1 session id. What a score is told from; no row where the caller may not see it.
SELECT f.score,
       100 * (1 - (f.drivers #>> '{uncertainty,high}')::float8) AS low,
       100 * (1 - (f.drivers #>> '{uncertainty,low}')::float8) AS high,
       f.qc_overall,
       f.drivers::text AS drivers,
       m.baseline_mean, m.baseline_n, m.baseline_deviation,
       (m.baseline_comparison ->> 'p')::float8 AS p,
       -- Days since the last session that is compared with.
       (SELECT floor(extract(epoch FROM f.session_created_at - x.session_created_at) / 86400)::bigint
        FROM @extschema@.fusion_outputs AS x
        WHERE x.user_id = f.user_id AND x.session_created_at < f.session_created_at AND x.qc_overall <> 'insufficient'
        ORDER BY x.session_created_at DESC LIMIT 1) AS days,
       m.trend_analysis::text AS trend_analysis
FROM @extschema@.fusion_outputs AS f
LEFT JOIN @extschema@.mind_measure_scores AS m ON m.session_id = f.session_id
WHERE f.session_id = $1
