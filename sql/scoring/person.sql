-- What is known of a person before a session: $1 session, $2 person, $3 the session's time, $4 feature names.
-- Its columns follow those of documents.sql.
SELECT b.names, b.n, b.mean, b.m2, b.sum_w2, b.last_observed_at,
       c.modalities, c.a, c.b, c.var_a, c.cov, c.var_b,
       o.n AS outcomes, o.worse,
       l.score_smoothed, l.smoothed_variance, l.session_created_at, l.decline_watch,
       m.types, m.n AS metric_n, m.mean AS metric_mean, m.m2 AS metric_m2,
       e.sessions_before,
       h.times, h.p_worse, h.usable, h.energy, h.stress, h.comfort, h.social, h.sleep,
       p.first AS compared_from, p.last AS compared_to,
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
-- The last ninety days, at most 400 sessions, newest first: crates/scoring/src/history.rs.
CROSS JOIN (SELECT array_agg(x.session_created_at) AS times, array_agg(x.p_worse_fused) AS p_worse,
                   array_agg(x.qc_overall <> 'insufficient') AS usable,
                   array_agg(x.reported_energy) AS energy, array_agg(x.reported_stress) AS stress,
                   array_agg(x.reported_comfort) AS comfort, array_agg(x.reported_social) AS social,
                   array_agg(x.reported_sleep) AS sleep
            FROM (SELECT * FROM @extschema@.fusion_outputs AS x
                  WHERE x.user_id = $2 AND x.session_created_at < $3 AND x.session_created_at > $3 - interval '2160 hours'
                  ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 400) AS x) AS h
CROSS JOIN (SELECT min(x.session_created_at) AS first, max(x.session_created_at) AS last
            FROM @extschema@.fusion_outputs AS x
            WHERE x.user_id = $2 AND x.session_created_at < $3 AND x.qc_overall <> 'insufficient') AS p
LEFT JOIN (SELECT x.score_smoothed, x.smoothed_variance, x.session_created_at, x.decline_watch
           FROM @extschema@.fusion_outputs AS x
           WHERE x.user_id = $2 AND x.session_created_at < $3
           ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 1) AS l ON true
