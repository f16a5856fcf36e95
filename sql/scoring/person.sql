-- What is known of a person before a session: $1 session, $2 person, $3 the session's time, $4 feature names.
-- Its columns follow those of documents.sql.
SELECT b.names, b.n, b.mean, b.m2, b.sum_w2, b.last_observed_at,
       c.modalities, c.a, c.b, c.var_a, c.cov, c.var_b,
       o.n AS outcomes, o.worse,
       l.score_smoothed, l.smoothed_variance, l.session_created_at,
       m.types, m.n AS metric_n, m.mean AS metric_mean, m.m2 AS metric_m2,
       e.sessions_before,
       r.times, r.reports,
       EXISTS (SELECT FROM @extschema@.fusion_outputs AS x WHERE x.session_id = $1) AS scored
FROM (SELECT array_agg(x.feature_name) AS names, array_agg(x.n) AS n, array_agg(x.mean) AS mean, array_agg(x.m2) AS m2,
             array_agg(x.sum_w2) AS sum_w2, array_agg(x.last_observed_at) AS last_observed_at
      FROM @extschema@.user_feature_baselines AS x
      WHERE x.user_id = $2 AND x.feature_name = ANY ($4) AND x.n > 0) AS b
CROSS JOIN (SELECT array_agg(x.modality) AS modalities, array_agg(x.a) AS a, array_agg(x.b) AS b,
                   array_agg(x.covariance[1]) AS var_a, array_agg(x.covariance[2]) AS cov, array_agg(x.covariance[3]) AS var_b
            FROM @extschema@.user_calibration AS x WHERE x.user_id = $2) AS c
CROSS JOIN (SELECT count(*) AS n, count(*) FILTER (WHERE x.worse) AS worse
            FROM @extschema@.session_outcomes AS x WHERE x.user_id = $2 AND x.session_created_at < $3) AS o
CROSS JOIN (SELECT array_agg(x.metric_type) AS types, array_agg(x.sample_count) AS n, array_agg(x.mean) AS mean, array_agg(x.m2) AS m2
            FROM @extschema@.user_baselines AS x WHERE x.user_id = $2) AS m
-- Only whether there are fewer than five matters.
CROSS JOIN (SELECT count(*) AS sessions_before
            FROM (SELECT FROM @extschema@.fusion_outputs AS x
                  WHERE x.user_id = $2 AND x.session_created_at < $3 LIMIT 5) AS few) AS e
CROSS JOIN (SELECT array_agg(x.session_created_at ORDER BY x.session_created_at, x.session_id) AS times,
                   array_agg(x.self_report ORDER BY x.session_created_at, x.session_id) AS reports
            FROM @extschema@.fusion_outputs AS x
            WHERE x.user_id = $2 AND x.session_created_at < $3 AND x.session_created_at >= $3 - interval '720 hours'
              AND x.self_report IS NOT NULL) AS r
LEFT JOIN (SELECT x.score_smoothed, x.smoothed_variance, x.session_created_at
           FROM @extschema@.fusion_outputs AS x
           WHERE x.user_id = $2 AND x.session_created_at < $3
           ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 1) AS l ON true
