-- What is known of a person before a session. src/load.rs fills in the person, the session's time, whether
-- there is a score already that this one cannot be put before, whether an outcome was derived from the
-- session already, and whether the self-reports are wanted.
-- Its columns follow those of documents.sql.
SELECT b.names, b.n, b.mean, b.m2, b.sum_w2, b.last_observed_at,
       c.modalities, c.a, c.b, c.var_a, c.cov, c.var_b, c.own_logit,
       o.n AS outcomes, o.worse, o.times AS outcome_times, o.recent AS recent_worse,
       l.score_smoothed, l.smoothed_variance, l.session_created_at, l.decline_watch,
       m.types, m.n AS metric_n, m.mean AS metric_mean, m.m2 AS metric_m2,
       e.sessions_before,
       h.times, h.p_worse, h.usable, h.energy, h.stress, h.comfort, h.social, h.sleep,
       p.first AS compared_from, p.last AS compared_to,
       r.reports,
       @scored@ AS scored,
       @derived@ AS derived,
       l.model_version, l.personal_weights, l.worse AS told, l.feature_z, l.p_worse_fused
-- Those of other models too: to name the features would cost a look-up each.
FROM (SELECT array_agg(x.feature_name) AS names, array_agg(x.n) AS n, array_agg(x.mean) AS mean, array_agg(x.m2) AS m2,
             array_agg(x.sum_w2) AS sum_w2, array_agg(x.last_observed_at) AS last_observed_at
      FROM @extschema@.user_feature_baselines AS x
      WHERE x.user_id = @person@ AND x.n > 0) AS b
CROSS JOIN (@calibrations@) AS c
-- Those as old as the history below one by one: what the own rate was before each session of it.
CROSS JOIN (SELECT count(*) FILTER (WHERE NOT x.recent) AS n, count(*) FILTER (WHERE NOT x.recent AND x.worse) AS worse,
                   array_agg(x.session_created_at) FILTER (WHERE x.recent) AS times, array_agg(x.worse) FILTER (WHERE x.recent) AS recent
            FROM (SELECT x.session_created_at, x.worse, x.session_created_at > @before@ - interval '2160 hours' AS recent
                  FROM @extschema@.session_outcomes AS x WHERE x.user_id = @person@ AND x.session_created_at < @before@) AS x) AS o
CROSS JOIN (SELECT array_agg(x.metric_type) AS types, array_agg(x.sample_count) AS n, array_agg(x.mean) AS mean, array_agg(x.m2) AS m2
            FROM @extschema@.user_baselines AS x WHERE x.user_id = @person@) AS m
-- Only whether there are fewer than five matters.
CROSS JOIN (SELECT count(*) AS sessions_before
            FROM (SELECT FROM @extschema@.fusion_outputs AS x
                  WHERE x.user_id = @person@ AND x.session_created_at < @before@ LIMIT 5) AS few) AS e
-- The last ninety days, at most 400 sessions, newest first: crates/scoring/src/trends/history.rs.
CROSS JOIN (SELECT array_agg(x.session_created_at) AS times, array_agg(x.p_worse_fused) AS p_worse,
                   array_agg(x.qc_overall <> 'insufficient') AS usable,
                   array_agg(x.reported_energy) AS energy, array_agg(x.reported_stress) AS stress,
                   array_agg(x.reported_comfort) AS comfort, array_agg(x.reported_social) AS social,
                   array_agg(x.reported_sleep) AS sleep
            FROM (SELECT x.session_created_at, x.p_worse_fused, x.qc_overall,
                         x.reported_energy, x.reported_stress, x.reported_comfort, x.reported_social, x.reported_sleep
                  FROM @extschema@.fusion_outputs AS x
                  WHERE x.user_id = @person@ AND x.session_created_at < @before@ AND x.session_created_at > @before@ - interval '2160 hours'
                  ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 400) AS x) AS h
CROSS JOIN (SELECT min(x.session_created_at) AS first, max(x.session_created_at) AS last
            FROM @extschema@.fusion_outputs AS x
            WHERE x.user_id = @person@ AND x.session_created_at < @before@ AND x.qc_overall <> 'insufficient') AS p
-- All self-reports before, newest first: what derives an outcome (crates/scoring/src/score/outcome.rs).
CROSS JOIN (SELECT array_agg(x.self_report) AS reports
            FROM (SELECT x.self_report
                  FROM @extschema@.fusion_outputs AS x
                  WHERE @reports@ AND x.user_id = @person@ AND x.session_created_at < @before@ AND x.self_report IS NOT NULL
                  ORDER BY x.session_created_at DESC, x.session_id DESC) AS x) AS r
LEFT JOIN (SELECT x.score_smoothed, x.smoothed_variance, x.session_created_at, x.decline_watch,
                  -- What the person's own weights learn from, once it is known how the session turned out.
                  x.model_version, @own_weights(x.personal_weights|NULL::float4[])@ AS personal_weights, x.feature_z, x.p_worse_fused,
                  (SELECT o.worse FROM @extschema@.session_outcomes AS o WHERE o.session_id = x.session_id) AS worse
           FROM @extschema@.fusion_outputs AS x
           WHERE x.user_id = @person@ AND x.session_created_at < @before@
           ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 1) AS l ON true
