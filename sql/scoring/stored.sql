-- $1 session id. The stored score: what mm_fuse_session() returns, then what a refresh needs.
SELECT f.user_id, f.p_worse_fused, f.p_worse_audio, f.p_worse_visual, f.p_worse_text, f.p_worse_passive,
       f.score, f.score_smoothed, f.uncertainty, f.qc_overall, f.drivers, f.model_version, f.created_at,
       ARRAY[f.raw_text, f.raw_audio, f.raw_visual, f.raw_passive] AS raw,
       f.feature_z, @own_weights(f.personal_weights|NULL::float4[])@ AS personal_weights, f.arrived_modalities, f.learnt_modalities,
       coalesce(m.baseline_n, 0) AS baseline_n, coalesce(m.baseline_mean, 0) AS baseline_mean, coalesce(m.baseline_m2, 0) AS baseline_m2,
       NOT EXISTS (
           SELECT FROM @extschema@.fusion_outputs AS later
           WHERE later.user_id = f.user_id AND later.session_created_at >= f.session_created_at
             AND (later.session_created_at, later.session_id) > (f.session_created_at, f.session_id)) AS newest
FROM @extschema@.fusion_outputs AS f
LEFT JOIN @extschema@.mind_measure_scores AS m ON m.session_id = f.session_id
WHERE f.session_id = $1
